import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as destinations from 'aws-cdk-lib/aws-lambda-destinations';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { SCHEDULE_DEAD_LETTER_QUEUE, SCHEDULE_GROUP, schedulerRoleName } from '../names';
import { type Permission, permit } from '../permissions';
import { Alarms } from './alarms';
import { functionsCode, RustFunction } from './rust-function';

export interface ScheduleStartProps {
  readonly settings: Settings;
  readonly arns: Arns;
  readonly region: string;
}

/** What every schedule calls, whether `lazaret schedule create` made it or a `RetroSchedule`: the function, and the role to call it with. */
export class ScheduleStart extends Construct {
  readonly group: scheduler.CfnScheduleGroup;
  readonly deadLetterQueue: sqs.Queue;

  constructor(scope: Construct, id: string, props: ScheduleStartProps) {
    super(scope, id);
    const { settings, arns } = props;
    this.group = new scheduler.CfnScheduleGroup(this, 'Group', { name: SCHEDULE_GROUP });
    this.deadLetterQueue = new sqs.Queue(this, 'DeadLetters', {
      queueName: SCHEDULE_DEAD_LETTER_QUEUE,
      retentionPeriod: Duration.days(14),
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    acknowledge(this.deadLetterQueue, { 'AwsSolutions-SQS3': 'It is a dead-letter queue itself.' });

    const { function: start } = new RustFunction(this, 'start_scheduled', {
      handler: 'start_scheduled',
      description: 'Starts a run of a schedule when it is due, and learns how it ended',
      code: functionsCode(settings.functionsDir),
      settings,
      environment: {
        LAZARET_RESULTS_BUCKET: arns.resultsBucketName,
        LAZARET_STATE_MACHINE_ARN: arns.stateMachine,
      },
      permissions: startPermissions(arns),
      // 1,000 buckets are looked at one after the other, and 200,000 open uploads listed
      timeout: Duration.minutes(15),
    });
    // Scheduler and EventBridge hand a call over and are done: what fails after that is Lambda's to repeat
    start.configureAsyncInvoke({
      onFailure: new destinations.SqsDestination(this.deadLetterQueue),
      retryAttempts: 2,
      maxEventAge: Duration.hours(6),
    });
    this.callAtTheEnd(arns, start);
    this.createRole(props, start.functionArn);
    this.createAlarms(settings);
  }

  private callAtTheEnd(arns: Arns, start: RustFunction['function']): void {
    new events.Rule(this, 'JobEnded', {
      ruleName: 'lazaret-job-ended',
      description: 'Has a schedule learn how its run ended, and start what waits behind it',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: { stateMachineArn: [arns.stateMachine], status: ['SUCCEEDED', 'FAILED', 'ABORTED', 'TIMED_OUT'] },
      },
      // the next run that is due learns it as well: nothing is lost with an event
      targets: [new targets.LambdaFunction(start, { retryAttempts: 5, maxEventAge: Duration.hours(2) })],
    });
  }

  private createRole({ arns, region }: ScheduleStartProps, functionArn: string): void {
    const role = new iam.Role(this, 'SchedulerRole', {
      roleName: schedulerRoleName(region),
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': arns.account },
          ArnEquals: { 'aws:SourceArn': arns.scheduleGroup },
        },
      }),
      description: 'What the schedules of the group may do: call one function',
    });
    permit(role, [
      { why: 'Starts a run.', actions: ['lambda:InvokeFunction'], resources: [functionArn] },
      {
        why: 'Keeps calls that could not be made.',
        actions: ['sqs:SendMessage'],
        resources: [this.deadLetterQueue.queueArn],
      },
    ]);
  }

  private createAlarms(settings: Settings): void {
    const period = Duration.minutes(5);
    const alarms = new Alarms(this);
    alarms.add('Dead', 'lazaret-schedules-dead', {
      says: 'A run of a schedule was not started. See docs/runbook.md#a-schedule-did-not-start-its-run',
      metric: this.deadLetterQueue.metricApproximateNumberOfMessagesVisible({ period, statistic: 'Maximum' }),
      atLeast: 1,
    });
    alarms.add('LeftOut', 'lazaret-schedule-leaves-buckets-out', {
      says: 'A run of a schedule did without a bucket that is gone or may not be listed. See docs/runbook.md#a-schedule-leaves-buckets-out',
      // written by start_scheduled in CloudWatch's embedded format
      metric: new cloudwatch.Metric({
        namespace: 'Lazaret',
        metricName: 'ScheduleBucketsLeftOut',
        statistic: 'Maximum',
        period,
      }),
      atLeast: 1,
    });
    alarms.tell(settings.alarmTopicArn);
  }
}

function startPermissions(arns: Arns): Permission[] {
  return [
    {
      why: 'Asks whether the buckets that the owner named are there, and what is being uploaded to them in parts.',
      actions: ['s3:ListBucket', 's3:ListBucketMultipartUploads'],
      resources: arns.scanBuckets,
    },
    {
      why: 'Without it S3 answers 403 for a state or a summary that is not there yet.',
      actions: ['s3:ListBucket'],
      resources: [arns.resultsBucket],
    },
    {
      why: 'Keeps how far each schedule has come.',
      actions: ['s3:GetObject', 's3:PutObject'],
      resources: [arns.results('schedules/*')],
    },
    {
      why: 'Writes which objects the run of any schedule takes.',
      actions: ['s3:PutObject'],
      resources: [arns.results('work/*/selection/*')],
    },
    {
      why: 'Reads whether the run of any schedule was complete.',
      actions: ['s3:GetObject'],
      resources: [arns.results('jobs/*/summary.json')],
    },
    { why: 'Starts jobs.', actions: ['states:StartExecution'], resources: [arns.stateMachine] },
    {
      why: 'Looks whether the job of any run has ended.',
      actions: ['states:DescribeExecution'],
      resources: [arns.jobExecutions],
    },
  ];
}
