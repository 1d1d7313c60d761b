import assert from 'node:assert/strict';
import type { Template } from 'aws-cdk-lib/assertions';
import type { Json, Resource } from './support';

/*
 * Dollars of a month in which nothing happens, from templates: us-east-1, list prices, November 2026, without free tiers. From memory of AWS's price
 * pages (Fargate, VPC, Elastic Load Balancing, CloudWatch, WAF, KMS), not looked up.
 */
const HOURS = 730;
const FARGATE_ARM_VCPU_HOUR = 0.03238;
const FARGATE_ARM_GIB_HOUR = 0.00356;
/** Beyond the 20 GiB that everybody has. */
const FARGATE_DISK_GIB_HOUR = 0.000111;
const PUBLIC_IPV4_HOUR = 0.005;
const INTERFACE_ENDPOINT_HOUR = 0.01;
const NAT_HOUR = 0.045;
const BALANCER_HOUR = 0.0225;
/** Each metric that an alarm reads. */
const ALARM_METRIC = 0.1;
const DASHBOARD = 3;
/** Of ours, in EMF: while somebody tells it. */
const METRIC = 0.3;
/** Who tells how many all the time (docs/metrics.md, ARCHITECTURE.md): the two functions that look, and the services while a task of theirs runs. */
const TOLD: Readonly<Record<string, number>> = {
  'lazaret-watch-staging': 6,
  'lazaret-watch-definitions': 1,
  'lazaret-events': 11,
  'lazaret-api': 16,
};
/** Of a task that publishes definitions: an estimate. It runs every six hours. */
const DEFINITIONS_RUN_MINUTES = 5;
const DEFINITIONS_RUNS = (24 / 6) * (730 / 24);
const WEB_ACL = 5;
const WEB_ACL_RULE = 1;
const KMS_KEY = 1;

/** Cost nothing while they are not used, or are priced with what uses them. */
const FREE = new Set([
  'AWS::ApplicationAutoScaling::ScalableTarget',
  'AWS::ApplicationAutoScaling::ScalingPolicy',
  'AWS::Cognito::UserPool',
  'AWS::Cognito::UserPoolClient',
  'AWS::EC2::InternetGateway',
  'AWS::EC2::Route',
  'AWS::EC2::RouteTable',
  'AWS::EC2::SecurityGroup',
  'AWS::EC2::SecurityGroupEgress',
  'AWS::EC2::SecurityGroupIngress',
  'AWS::EC2::Subnet',
  'AWS::EC2::SubnetRouteTableAssociation',
  'AWS::EC2::VPC',
  'AWS::EC2::VPCGatewayAttachment',
  'AWS::ECS::Cluster',
  'AWS::ECS::TaskDefinition',
  'AWS::ElasticLoadBalancingV2::Listener',
  'AWS::ElasticLoadBalancingV2::TargetGroup',
  'AWS::Events::Rule',
  'AWS::IAM::Policy',
  'AWS::IAM::Role',
  'AWS::KMS::Alias',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::Permission',
  'AWS::Logs::LogGroup',
  'AWS::Logs::QueryDefinition',
  'AWS::S3::Bucket',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::Subscription',
  'AWS::SNS::Topic',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::Queue',
  'AWS::SQS::QueuePolicy',
  'AWS::Scheduler::ScheduleGroup',
  'AWS::StepFunctions::StateMachine',
  'AWS::WAFv2::WebACLAssociation',
  'Custom::VpcRestrictDefaultSG',
]);

export function idleDollars(templates: readonly Template[]): number {
  return templates.reduce((sum, template) => {
    const all = template.toJSON().Resources as Record<string, Resource>;
    return Object.values(all).reduce((inner, resource) => inner + dollars(resource, all), sum);
  }, 0);
}

function dollars({ Type, Properties }: Resource, all: Record<string, Resource>): number {
  switch (Type) {
    case 'AWS::EC2::VPCEndpoint':
      return Properties.VpcEndpointType === 'Interface'
        ? INTERFACE_ENDPOINT_HOUR * HOURS * (Properties.SubnetIds as Json[]).length
        : 0;
    case 'AWS::EC2::NatGateway':
      return NAT_HOUR * HOURS;
    case 'AWS::EC2::EIP':
      return PUBLIC_IPV4_HOUR * HOURS;
    case 'AWS::ElasticLoadBalancingV2::LoadBalancer': {
      const addresses = Properties.Scheme === 'internet-facing' ? (Properties.Subnets as Json[]).length : 0;
      return (BALANCER_HOUR + addresses * PUBLIC_IPV4_HOUR) * HOURS;
    }
    case 'AWS::CloudWatch::Alarm': {
      const read = (Properties.Metrics as { MetricStat?: Json }[] | undefined)?.filter(({ MetricStat }) => MetricStat);
      return ALARM_METRIC * (read?.length ?? 1);
    }
    case 'AWS::CloudWatch::Dashboard':
      return DASHBOARD;
    case 'AWS::WAFv2::WebACL':
      return WEB_ACL + WEB_ACL_RULE * (Properties.Rules as Json[]).length;
    case 'AWS::KMS::Key':
      return KMS_KEY;
    case 'AWS::Lambda::Function':
      return told(Properties.FunctionName);
    case 'AWS::Scheduler::Schedule':
      return Properties.Name === 'lazaret-definitions' ? definitionsDollars(all, addressOf(Properties.Target)) : 0;
    case 'AWS::ECS::Service': {
      const tasks = leastTasks(Properties, all);
      const task = all[(Properties.TaskDefinition as { Ref: string }).Ref];
      return (
        tasks * taskHour(task, addressOf(Properties.NetworkConfiguration)) * HOURS +
        (tasks > 0 ? told(Properties.ServiceName) : 0)
      );
    }
    default:
      assert.ok(
        FREE.has(Type),
        `${Type}: does it cost anything at rest? Say so in test/idle-cost.ts and cdk/README.md`,
      );
      return 0;
  }
}

/** Of the one service of its stack. */
function leastTasks({ ServiceName }: Record<string, Json>, all: Record<string, Resource>): number {
  const ofType = (type: string): Resource[] => Object.values(all).filter(({ Type }) => Type === type);
  const [target, ...others] = ofType('AWS::ApplicationAutoScaling::ScalableTarget');
  assert.ok(target && others.length === 0 && ofType('AWS::ECS::Service').length === 1, String(ServiceName));
  return Number(target.Properties.MinCapacity);
}

function told(name: Json | undefined): number {
  return METRIC * (TOLD[String(name)] ?? 0);
}

function definitionsDollars(all: Record<string, Resource>, address: number): number {
  const task = Object.values(all).find(({ Type }) => Type === 'AWS::ECS::TaskDefinition');
  return taskHour(task, address) * (DEFINITIONS_RUN_MINUTES / 60) * DEFINITIONS_RUNS;
}

function addressOf(network: Json | undefined): number {
  return JSON.stringify(network).includes('"AssignPublicIp":"ENABLED"') ? PUBLIC_IPV4_HOUR : 0;
}

function taskHour(definition: Resource | undefined, address: number): number {
  assert.ok(definition);
  const { Cpu, Memory, EphemeralStorage, RuntimePlatform } = definition.Properties;
  assert.equal((RuntimePlatform as { CpuArchitecture: string }).CpuArchitecture, 'ARM64');
  const disk = Number((EphemeralStorage as { SizeInGiB: number } | undefined)?.SizeInGiB ?? 20) - 20;
  return (
    (Number(Cpu) / 1024) * FARGATE_ARM_VCPU_HOUR +
    (Number(Memory) / 1024) * FARGATE_ARM_GIB_HOUR +
    disk * FARGATE_DISK_GIB_HOUR +
    address
  );
}
