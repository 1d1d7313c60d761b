import * as fs from 'node:fs';
import { Fn } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { AGENT_FAMILY, CRAWLER_FAMILY, STATE_MACHINE } from '../names';
import { permit } from '../permissions';
import { RETRO_JOB_DEFINITION } from '../repository';
import type { JobFunctions } from './job-functions';
import type { JobNetwork } from './job-network';
import { stateMachineLog } from './state-machine-log';
import type { WorkerTask } from './worker-task';

export interface RetroJobProps {
  readonly settings: Settings;
  readonly arns: Arns;
  readonly functions: JobFunctions;
  readonly network: JobNetwork;
  readonly crawler: WorkerTask;
  readonly agent: WorkerTask;
}

/** The state machine; its flow stands in statemachines/retro-job.asl.json. */
export class RetroJob extends Construct {
  readonly stateMachine: sfn.StateMachine;

  constructor(scope: Construct, id: string, props: RetroJobProps) {
    super(scope, id);
    const { settings, arns, network } = props;
    const role = this.createRole(props);
    const logGroup = stateMachineLog(this, STATE_MACHINE, settings, role);
    this.stateMachine = new sfn.StateMachine(this, 'StateMachine', {
      stateMachineName: STATE_MACHINE,
      stateMachineType: sfn.StateMachineType.STANDARD,
      comment: 'Scans every object of a set of buckets once; one execution is one job',
      definitionBody: sfn.DefinitionBody.fromString(fs.readFileSync(RETRO_JOB_DEFINITION, 'utf8')),
      definitionSubstitutions: {
        ...Object.fromEntries(
          Object.entries(props.functions.byPlaceholder).map(([name, { functionArn }]) => [name, functionArn]),
        ),
        ClusterArn: arns.cluster,
        // families, not revisions: a job outlives deployments, and ECS launches the newest
        CrawlerTaskDefinition: CRAWLER_FAMILY,
        AgentTaskDefinition: AGENT_FAMILY,
        SubnetIds: Fn.join(
          ',',
          network.subnets.map(({ subnetId }) => subnetId),
        ),
        SecurityGroupIds: network.securityGroup.securityGroupId,
        AssignPublicIp: network.assignPublicIp ? 'ENABLED' : 'DISABLED',
        QueueArnPrefix: arns.queuePrefix,
        VisibilitySeconds: String(settings.visibilitySeconds),
        HeartbeatSeconds: String(settings.heartbeatSeconds),
        PollSeconds: String(settings.pollSeconds),
        CapacityWaitSeconds: String(settings.capacityWaitSeconds),
      },
      role,
      tracingEnabled: settings.traces,
      // task tokens are part of the data
      logs: { destination: logGroup, level: sfn.LogLevel.ALL, includeExecutionData: false },
    });
    acknowledge(this.stateMachine, {
      'AwsSolutions-SF2':
        'A job runs for hours and its history tells every step; `traces` adds a trace where the owner wants one.',
    });
  }

  private createRole({ arns, functions, crawler, agent }: RetroJobProps): iam.Role {
    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('states.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': arns.account } },
      }),
      description: `What the state machine ${STATE_MACHINE} may do`,
    });
    permit(role, [
      {
        why: 'The five steps that are functions.',
        actions: ['lambda:InvokeFunction'],
        resources: Object.values(functions.byPlaceholder).map(({ functionArn }) => functionArn),
      },
      {
        why: 'Reads the quota of Fargate’s vCPUs. Service Quotas knows no resource for reading.',
        actions: ['servicequotas:GetServiceQuota'],
        resources: ['*'],
      },
      { why: 'Opens the queues of any job.', actions: ['sqs:CreateQueue'], resources: [arns.jobQueues] },
      {
        why: 'Launches any revision of the two task definitions: a job outlives deployments.',
        actions: ['ecs:RunTask'],
        resources: [arns.crawlerTaskDefinitions, arns.agentTaskDefinitions],
        conditions: { ArnEquals: { 'ecs:cluster': arns.cluster } },
      },
      {
        why: 'Gives the tasks their roles.',
        actions: ['iam:PassRole'],
        resources: [crawler, agent].flatMap(({ taskRole, executionRole }) => [taskRole.roleArn, executionRole.roleArn]),
        conditions: { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
      },
    ]);
    return role;
  }
}
