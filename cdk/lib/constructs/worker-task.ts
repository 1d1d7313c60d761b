import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Architecture, Settings, TaskSize } from '../config';
import { fipsEnvironment } from '../config-fips';
import { useOwnKey } from '../object-permissions';
import { type Permission, permit } from '../permissions';
import { REPOSITORY_ROOT } from '../repository';
import { ownKey } from './own-key';
import { SEND_TRACES, TraceCollector } from './trace-collector';

export interface WorkerTaskProps {
  readonly family: string;
  /** @default - CloudFormation's choice */
  readonly roleName?: string;
  /** The container's name, as the state machine's overrides spell it. */
  readonly worker: string;
  /** The folder with its Dockerfile. @default - that of the worker's name, below `workers/` */
  readonly folder?: string;
  /** @default - built from that folder */
  readonly image?: ecs.ContainerImage;
  readonly settings: Settings;
  readonly size: TaskSize;
  /** Arguments of the program. @default - none */
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly permissions: readonly Permission[];
  /** Whether it tells X-Ray of its work, where traces are wanted. @default false */
  readonly traced?: boolean;
  /** Its log group, below `/lazaret/`. @default - the worker's name */
  readonly log?: string;
  /** A writable folder of that size at that path; the rest of the file system is read-only. @default - none */
  readonly scratch?: { readonly path: string; readonly gib: number };
}

/** A Fargate task of one container that runs as no user of note, writes nowhere but its scratch and may do what it was given. */
export class WorkerTask extends Construct {
  readonly taskDefinition: ecs.FargateTaskDefinition;
  readonly taskRole: iam.Role;
  readonly executionRole: iam.IRole;
  readonly container: ecs.ContainerDefinition;
  readonly logGroup: logs.LogGroup;

  constructor(scope: Construct, id: string, props: WorkerTaskProps) {
    super(scope, id);
    const { settings, scratch } = props;
    const { account } = Stack.of(this);
    // for tasks of this account: ECS says whose it asks for
    const principal = new iam.ServicePrincipal('ecs-tasks.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': account } },
    });
    this.taskRole = new iam.Role(this, 'TaskRole', {
      assumedBy: principal,
      description: `What the program in ${props.family} may do`,
      ...(props.roleName === undefined ? {} : { roleName: props.roleName }),
    });
    const { region } = Stack.of(this);
    permit(this.taskRole, [...props.permissions, ...useOwnKey(settings, region, props.permissions)]);

    this.taskDefinition = new ecs.FargateTaskDefinition(this, 'Definition', {
      family: props.family,
      cpu: props.size.cpu,
      memoryLimitMiB: props.size.memoryMiB,
      // Fargate gives 20 GiB to everybody; the setting starts at 21
      ...(scratch === undefined ? {} : { ephemeralStorageGiB: scratch.gib }),
      runtimePlatform: {
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
        cpuArchitecture: cpuArchitecture(settings.architecture),
      },
      taskRole: this.taskRole,
    });
    this.executionRole = this.taskDefinition.obtainExecutionRole();
    acknowledge(this.taskDefinition, {
      'AwsSolutions-ECS2': 'The variables are names, sizes and times. There is no secret among them.',
      'AwsSolutions-IAM5[Resource::*]': 'ecr:GetAuthorizationToken, to pull the image, knows no resource.',
    });

    this.logGroup = new logs.LogGroup(this, 'Log', {
      logGroupName: `/lazaret/${props.log ?? props.worker}`,
      retention: settings.logRetentionDays,
      ...ownKey(this, settings.ownKeyArn),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const hardening = new ecs.LinuxParameters(this, 'Hardening', { initProcessEnabled: true });
    hardening.dropCapabilities(ecs.Capability.ALL);
    this.container = this.taskDefinition.addContainer(props.worker, {
      containerName: props.worker,
      image: props.image ?? this.image(props),
      ...(props.command === undefined ? {} : { command: [...props.command] }),
      environment: { RUST_LOG: settings.rustLog, ...fipsEnvironment(settings), ...props.environment },
      readonlyRootFilesystem: true,
      linuxParameters: hardening,
      // Fargate's longest: an agent finishes its packet or gives it back
      stopTimeout: Duration.seconds(120),
      logging: ecs.LogDrivers.awsLogs({
        logGroup: this.logGroup,
        streamPrefix: props.worker,
        // a scan does not wait for its log
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
      }),
    });
    if (props.traced === true && settings.traces) {
      const { taskDefinition, container, logGroup } = this;
      permit(this.taskRole, [SEND_TRACES]);
      new TraceCollector(this, 'Traces', { settings, taskDefinition, container, logGroup });
    }
    if (scratch !== undefined) {
      this.taskDefinition.addVolume({ name: 'scratch' });
      this.container.addMountPoints({ sourceVolume: 'scratch', containerPath: scratch.path, readOnly: false });
    }
  }

  private image(props: WorkerTaskProps): ecs.ContainerImage {
    if (props.settings.local) {
      // a name on the local runner's image list
      return ecs.ContainerImage.fromRegistry(`lazaret/${props.worker}:local`);
    }
    const arm = props.settings.architecture === 'arm64';
    return ecs.ContainerImage.fromAsset(REPOSITORY_ROOT, {
      file: `${props.folder ?? `workers/${props.worker}`}/Dockerfile`,
      platform: arm ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
    });
  }
}

function cpuArchitecture(architecture: Architecture): ecs.CpuArchitecture {
  return architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64;
}
