import { Aws } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import { Construct } from 'constructs';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { DEFINITIONS_CONTAINER, DEFINITIONS_FAMILY } from '../names';
import { permit } from '../permissions';
import type { JobNetwork } from './job-network';
import { WorkerTask } from './worker-task';

export interface DefinitionsUpdaterProps {
  readonly settings: Settings;
  readonly arns: Arns;
  readonly network: JobNetwork;
}

/** Of the 30 minutes after it is due: a mirror likes its guests one by one. */
const WINDOW_MINUTES = 30;
/** libclamav wants 1.3 GB for ClamAV's own set; freshclam tests it in a process of its own at the same time. */
const SIZE = { cpu: 1024, memoryMiB: 5120 };
/** The set three times over: as it was, as it is fetched, and as it is tried. */
const SCRATCH_GIB = 21;

/** One task that publishes new definitions, a few times a day. It is the only one that asks the mirror: agents fetch from S3. */
export class DefinitionsUpdater extends Construct {
  readonly task: WorkerTask;

  constructor(scope: Construct, id: string, props: DefinitionsUpdaterProps) {
    super(scope, id);
    const { settings, arns, network } = props;
    const work = `${settings.agentPaths.scratchDir}/definitions`;
    const mirror = settings.definitionsMirror === '' ? [] : ['--private-mirror', settings.definitionsMirror];
    const allowed = settings.jailAllowMissing === '' ? [] : ['--jail-allow-missing', settings.jailAllowMissing];
    this.task = new WorkerTask(this, 'Worker', {
      family: DEFINITIONS_FAMILY,
      worker: DEFINITIONS_CONTAINER,
      folder: 'cli',
      settings,
      size: SIZE,
      // a task of Fargate has an empty disk: with the set in force beside it, freshclam fetches differences
      command: ['definitions', 'update', '--seed', '--dir', work, '--json', ...mirror, ...allowed],
      environment: { LAZARET_RESULTS_BUCKET: arns.resultsBucketName },
      permissions: [
        {
          why: 'Lists the definitions; without it S3 answers 403 for a version that is not there yet.',
          actions: ['s3:ListBucket'],
          resources: [arns.resultsBucket],
        },
        {
          why: 'Reads the set in force, and publishes the next one.',
          actions: ['s3:GetObject', 's3:PutObject'],
          resources: [arns.results('definitions/*')],
        },
      ],
      scratch: { path: settings.agentPaths.scratchDir, gib: SCRATCH_GIB },
    });

    const role = new iam.Role(this, 'SchedulerRole', {
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': arns.account } },
      }),
      description: 'Launches the task that publishes definitions',
    });
    permit(role, [
      {
        why: 'Launches any revision of that one task.',
        actions: ['ecs:RunTask'],
        resources: [arns.definitionsTaskDefinitions],
        conditions: { ArnEquals: { 'ecs:cluster': arns.cluster } },
      },
      {
        why: 'Gives the task its roles.',
        actions: ['iam:PassRole'],
        resources: [this.task.taskRole.roleArn, this.task.executionRole.roleArn],
        conditions: { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } },
      },
    ]);
    // not in the group of people's schedules
    const schedule = new scheduler.CfnSchedule(this, 'Schedule', {
      name: DEFINITIONS_FAMILY,
      description: 'Publishes new definitions',
      scheduleExpression: settings.definitionsEvery,
      flexibleTimeWindow: { mode: 'FLEXIBLE', maximumWindowInMinutes: WINDOW_MINUTES },
      target: {
        arn: arns.cluster,
        roleArn: role.roleArn,
        // the next one is due before a late one would be worth it
        retryPolicy: { maximumEventAgeInSeconds: 3600, maximumRetryAttempts: 10 },
        ecsParameters: {
          // no revision: the newest
          taskDefinitionArn: `arn:${Aws.PARTITION}:ecs:${arns.region}:${arns.account}:task-definition/${DEFINITIONS_FAMILY}`,
          launchType: 'FARGATE',
          taskCount: 1,
          networkConfiguration: {
            awsvpcConfiguration: {
              subnets: network.subnets.map(({ subnetId }) => subnetId),
              securityGroups: [network.securityGroup.securityGroupId],
              assignPublicIp: network.assignPublicIp ? 'ENABLED' : 'DISABLED',
            },
          },
        },
      },
    });
    schedule.node.addDependency(this.task.taskDefinition);
  }
}
