import * as wafv2 from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import { API } from '../names';

export interface ApiFirewallProps {
  readonly balancerArn: string;
  /** The owner's own web ACL, or ours. */
  readonly waf: string;
}

/**
 * Rules that would block what the API is there for. WAF reads the first 8 KiB of a body, which is somebody's file: a web page in it is no
 * cross-site scripting, and a file that *is* an attack is to be scanned and not refused. The rule on a body's size would refuse any file at all. C#'s HttpClient
 * names no user agent. These count, and block nothing.
 */
const ONLY_COUNTED = {
  AWSManagedRulesCommonRuleSet: [
    'SizeRestrictions_BODY',
    'CrossSiteScripting_BODY',
    'GenericLFI_BODY',
    'GenericRFI_BODY',
    'EC2MetaDataSSRF_BODY',
    'NoUserAgent_HEADER',
  ],
  AWSManagedRulesKnownBadInputsRuleSet: ['JavaDeserializationRCE_BODY', 'Log4JRCE_BODY', 'ReactJSRCE_BODY'],
  AWSManagedRulesAmazonIpReputationList: [],
} as const;

/** Logins of one address in five minutes. A client needs one an hour. */
const LOGINS = 100;

/** A web ACL before the load balancer. It must let bodies of any size pass: the API has a limit of its own (`apiMaxBytes`). */
export class ApiFirewall extends Construct {
  constructor(scope: Construct, id: string, props: ApiFirewallProps) {
    super(scope, id);
    const webAclArn = props.waf === 'managed' ? this.managed() : props.waf;
    new wafv2.CfnWebACLAssociation(this, 'Association', { resourceArn: props.balancerArn, webAclArn });
  }

  private managed(): string {
    const seen = (metricName: string): wafv2.CfnWebACL.VisibilityConfigProperty => ({
      cloudWatchMetricsEnabled: true,
      metricName,
      // samples show headers, and so tokens
      sampledRequestsEnabled: false,
    });
    const groups = Object.entries(ONLY_COUNTED).map(([name, counted], index) => ({
      name,
      priority: index + 1,
      overrideAction: { none: {} },
      statement: {
        managedRuleGroupStatement: {
          vendorName: 'AWS',
          name,
          ruleActionOverrides: counted.map((rule) => ({ name: rule, actionToUse: { count: {} } })),
        },
      },
      visibilityConfig: seen(name),
    }));
    const acl = new wafv2.CfnWebACL(this, 'Rules', {
      name: API,
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: seen(API),
      rules: [
        {
          name: 'Logins',
          priority: 0,
          action: { block: { customResponse: { responseCode: 429 } } },
          statement: {
            rateBasedStatement: {
              limit: LOGINS,
              aggregateKeyType: 'IP',
              scopeDownStatement: {
                byteMatchStatement: {
                  fieldToMatch: { uriPath: {} },
                  positionalConstraint: 'EXACTLY',
                  searchString: '/api/token',
                  textTransformations: [{ priority: 0, type: 'LOWERCASE' }],
                },
              },
            },
          },
          visibilityConfig: seen('Logins'),
        },
        ...groups,
      ],
    });
    return acl.attrArn;
  }
}
