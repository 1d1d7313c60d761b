import { Aws } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { Settings } from '../config';

export interface NetworkEndpointsProps {
  readonly settings: Settings;
  readonly vpc: ec2.Vpc;
  readonly subnets: readonly ec2.ISubnet[];
}

const Service = ec2.InterfaceVpcEndpointAwsService;

/**
 * What tasks without a public address reach AWS by, one interface a zone for each service that some program calls: an hour of each costs money. Calls
 * of another account's credentials are refused. S3 has its gateway.
 */
export class NetworkEndpoints extends Construct {
  private readonly securityGroup: ec2.SecurityGroup;

  constructor(scope: Construct, id: string, props: NetworkEndpointsProps) {
    super(scope, id);
    const { settings, vpc, subnets } = props;
    this.securityGroup = new ec2.SecurityGroup(this, 'TasksOnly', {
      vpc,
      description: 'Endpoints of AWS services: tasks of Lazaret call them',
      allowAllOutbound: false,
    });
    for (const [name, service] of Object.entries(services(settings))) {
      const endpoint = new ec2.InterfaceVpcEndpoint(this, name, {
        vpc,
        service,
        subnets: { subnets: [...subnets] },
        securityGroups: [this.securityGroup],
        // the rule is `letIn`'s
        open: false,
        privateDnsEnabled: true,
      });
      // a login at Cognito is signed by nobody, so that it has no account
      if (name !== 'Cognito') {
        endpoint.addToPolicy(
          new iam.PolicyStatement({
            principals: [new iam.AnyPrincipal()],
            actions: ['*'],
            resources: ['*'],
            conditions: { StringEquals: { 'aws:PrincipalAccount': Aws.ACCOUNT_ID } },
          }),
        );
      }
    }
  }

  /** Tasks of that group may call. The rule lies in the stack of `scope`: the group may be of a stack that comes later. */
  letIn(scope: Construct, tasks: ec2.ISecurityGroup): void {
    new ec2.CfnSecurityGroupIngress(scope, 'ToEndpoints', {
      groupId: this.securityGroup.securityGroupId,
      sourceSecurityGroupId: tasks.securityGroupId,
      ipProtocol: 'tcp',
      fromPort: 443,
      toPort: 443,
      description: 'Tasks of Lazaret call AWS',
    });
  }
}

/** Who calls what: images and logs are Fargate's, the rest is the programs' own. */
function services(settings: Settings): Readonly<Record<string, ec2.InterfaceVpcEndpointAwsService>> {
  return {
    Images: Service.ECR,
    ImageLayers: Service.ECR_DOCKER,
    Logs: Service.CLOUDWATCH_LOGS,
    // crawlers and agents
    ...(settings.jobsEnabled ? { Queues: Service.SQS, StateMachines: Service.STEP_FUNCTIONS } : {}),
    // event agents
    ...(settings.eventsEnabled ? { Topics: Service.SNS, EventBus: Service.EVENTBRIDGE } : {}),
    // the API: keys and logins. The pool has no domain, which would keep it from being reached by an endpoint (Cognito developer guide)
    ...(settings.api.enabled ? { Cognito: Service.COGNITO_IDP } : {}),
    // the collectors of event agents and of the API
    ...(settings.traces ? { Traces: Service.XRAY } : {}),
  };
}
