import { Stack } from 'aws-cdk-lib';
import type * as cognito from 'aws-cdk-lib/aws-cognito';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Construct } from 'constructs';
import { Arns } from '../arns';
import { type Architecture, AWS_SETTINGS, type Settings } from '../config';
import { type ApiSettings, AWS_API, checkApi } from '../config-api';
import { CLUSTER } from '../names';
import { ApiAccessLogs } from './api-access-logs';
import { ApiServer } from './api-server';
import { ApiUsers } from './api-users';

/** Sizes and limits of the API, each as its setting `api…` in lib/config-api.ts, with the same defaults. Errors name the setting. */
export type VerdictApiLimits = Partial<
  Omit<ApiSettings, 'enabled' | 'internal' | 'certificateArn' | 'subnetIds' | 'scanBuckets' | 'uploadBuckets'>
>;

export interface VerdictApiProps {
  readonly vpc: ec2.IVpc;
  /** Of the servers: they must reach S3, ECR, CloudWatch Logs and Cognito, whose addresses are public: through a NAT, say. */
  readonly taskSubnets: readonly ec2.ISubnet[];
  /** Of the load balancer, in two zones or more; public ones unless it is internal. @default - those of the servers */
  readonly balancerSubnets?: readonly ec2.ISubnet[];
  /** Whether servers get public addresses, in place of a NAT. @default false */
  readonly assignPublicIp?: boolean;
  /** Whether the load balancer has private addresses alone. @default false */
  readonly internal?: boolean;
  /** Of ACM, in the stack's region; TLS ends at the load balancer. @default - none: refused, unless `internal` and `limits.plainHttp` */
  readonly certificateArn?: string;
  /** Names, or patterns with `*`, of the buckets whose objects callers may have scanned where they lie. No default: name one at least. */
  readonly scanBuckets: readonly string[];
  /** Names of the buckets where callers may have clean files stored. @default [] */
  readonly uploadBuckets?: readonly string[];
  /** ARNs of the customer's keys of these buckets. @default [] */
  readonly kmsKeyArns?: readonly string[];
  /** @default - as `ApiSettings` has them */
  readonly limits?: VerdictApiLimits;
  /** Of the image. @default 'arm64' */
  readonly architecture?: Architecture;
  /** The server's image, from `api/Dockerfile`. @default - built from the repository that this package is a checkout of; a packed one holds none, and needs this */
  readonly image?: ecs.ContainerImage;
  /** An SNS topic that hears of the alarms. @default - none */
  readonly alarmTopicArn?: string;
}

/**
 * Verdicts over HTTP (docs/api.md), in the network of another team: a load balancer, servers, users, alarms. It needs the deployment of Lazaret in the
 * stack's account and region: its cluster, its definitions, its settings. There is one API an account and region: its names are fixed, so the deployment's own
 * `apiEnabled` stays off. Users and access logs outlive the stack.
 */
export class VerdictApi extends Construct {
  /** With the scheme and the load balancer's name: point a name of the certificate at it. */
  readonly url: string;
  readonly loadBalancer: elb.ApplicationLoadBalancer;
  /** `lazaret user create` makes users in it. */
  readonly userPool: cognito.UserPool;

  constructor(scope: Construct, id: string, props: VerdictApiProps) {
    super(scope, id);
    const { account, region } = Stack.of(this);
    const settings = settingsOf(props);
    const users = new ApiUsers(this, 'Users', { disposable: false });
    const { bucket } = new ApiAccessLogs(this, 'AccessLogs', {
      retentionDays: settings.logRetentionDays,
      disposable: false,
    });
    const { balancer } = new ApiServer(this, 'Default', {
      settings,
      arns: new Arns(account, region, settings),
      network: {
        vpc: props.vpc,
        subnets: props.taskSubnets,
        publicSubnets: props.taskSubnets,
        ...(props.balancerSubnets === undefined ? {} : { balancerSubnets: props.balancerSubnets }),
        assignPublicIp: props.assignPublicIp ?? false,
        tasks: (scope, description) => new ec2.SecurityGroup(scope, 'Tasks', { vpc: props.vpc, description }),
      },
      cluster: ecs.Cluster.fromClusterAttributes(this, 'Cluster', { clusterName: CLUSTER, vpc: props.vpc }),
      users,
      accessLogs: bucket,
      ...(props.image === undefined ? {} : { image: props.image }),
    });
    this.url = balancer.url;
    this.loadBalancer = balancer.balancer;
    this.userPool = users.pool;
  }
}

function settingsOf(props: VerdictApiProps): Settings {
  const { scanBuckets, certificateArn, alarmTopicArn } = props;
  const api: ApiSettings = {
    ...AWS_API,
    ...props.limits,
    enabled: true,
    internal: props.internal ?? false,
    ...(certificateArn === undefined ? {} : { certificateArn }),
    scanBuckets,
    uploadBuckets: props.uploadBuckets ?? [],
  };
  if (props.taskSubnets.length === 0) {
    throw new Error('taskSubnets is empty: the servers have no place');
  }
  if ((props.balancerSubnets ?? props.taskSubnets).length < 2) {
    throw new Error('balancerSubnets are two or more, in different zones');
  }
  checkApi(api, false, 'existing VPC');
  return {
    ...AWS_SETTINGS,
    scanBuckets,
    stagingBuckets: [],
    kmsKeyArns: props.kmsKeyArns ?? [],
    architecture: props.architecture ?? AWS_SETTINGS.architecture,
    ...(alarmTopicArn === undefined ? {} : { alarmTopicArn }),
    api,
  };
}
