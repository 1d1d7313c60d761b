import { ArnFormat, Stack } from 'aws-cdk-lib';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { inEcr, type Settings } from '../config';
import { fipsEnvironment } from '../config-fips';
import type { Permission } from '../permissions';

export interface TraceCollectorProps {
  readonly settings: Settings;
  readonly taskDefinition: ecs.FargateTaskDefinition;
  /** Whose segments it takes; it is told where to send them. */
  readonly container: ecs.ContainerDefinition;
  readonly logGroup: logs.LogGroup;
}

/** Within the task, where containers share their loopback. */
const ADDRESS = '127.0.0.1:2000';

/** Takes documents of segments and nothing else, and hands them to X-Ray. */
const COLLECTOR = {
  receivers: { awsxray: { endpoint: ADDRESS, transport: 'udp', proxy_server: { endpoint: ADDRESS } } },
  exporters: { awsxray: {} },
  service: { pipelines: { traces: { receivers: ['awsxray'], exporters: ['awsxray'] } } },
};

/** What the task's role needs for it. */
export const SEND_TRACES: Permission = {
  why: 'The collector beside it sends segments: X-Ray knows no resources (Service Authorization Reference).',
  actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
  resources: ['*'],
};

/** AWS's distribution of the OpenTelemetry collector, beside a program that tells X-Ray of its work. The task lives on without it. */
export class TraceCollector extends Construct {
  constructor(scope: Construct, id: string, props: TraceCollectorProps) {
    super(scope, id);
    const { settings, taskDefinition, container } = props;
    const hardening = new ecs.LinuxParameters(this, 'Hardening');
    hardening.dropCapabilities(ecs.Capability.ALL);
    taskDefinition.addContainer('traces', {
      containerName: 'traces',
      image: image(this, settings.traceImage),
      essential: false,
      memoryReservationMiB: 64,
      memoryLimitMiB: 256,
      // JSON is YAML
      environment: { AOT_CONFIG_CONTENT: JSON.stringify(COLLECTOR), ...fipsEnvironment(settings) },
      readonlyRootFilesystem: true,
      linuxParameters: hardening,
      logging: ecs.LogDrivers.awsLogs({
        logGroup: props.logGroup,
        streamPrefix: 'traces',
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
      }),
    });
    container.addEnvironment('AWS_XRAY_DAEMON_ADDRESS', ADDRESS);
    container.addEnvironment('LAZARET_TRACE_RATE', String(settings.traceRate));
  }
}

/** Of the owner's ECR, which the task must be let into, or of a registry that everybody may read. */
function image(scope: Construct, uri: string): ecs.ContainerImage {
  const found = inEcr(uri);
  if (found === undefined) {
    return ecs.ContainerImage.fromRegistry(uri);
  }
  const { account, region, repository, reference } = found;
  const arn = Stack.of(scope).formatArn({
    service: 'ecr',
    account,
    region,
    resource: 'repository',
    resourceName: repository,
    arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
  });
  const attributes = { repositoryArn: arn, repositoryName: repository };
  const from = ecr.Repository.fromRepositoryAttributes(scope, 'Image', attributes);
  return ecs.ContainerImage.fromEcrRepository(from, reference);
}
