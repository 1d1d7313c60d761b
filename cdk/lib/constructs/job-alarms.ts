import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { tellTopic } from './alarm-actions';

export interface JobAlarmsProps {
  readonly stateMachine: sfn.StateMachine;
  readonly tearDownDeadLetters: sqs.Queue;
  /** Told when an alarm goes off. @default - nobody: the alarms show in the console */
  readonly topicArn: string | undefined;
}

/** What a person should look at; each text names its section of docs/runbook.md. */
export class JobAlarms extends Construct {
  constructor(scope: Construct, id: string, props: JobAlarmsProps) {
    super(scope, id);
    const period = Duration.minutes(5);
    const { stateMachine, tearDownDeadLetters } = props;
    const alarms = [
      new cloudwatch.Alarm(this, 'JobFailed', {
        alarmName: 'lazaret-job-failed',
        alarmDescription:
          'A job failed or could not show that it missed nothing. See docs/runbook.md#a-job-ended-as-failed',
        metric: stateMachine.metricFailed({ period, statistic: 'Sum' }),
        threshold: 1,
        evaluationPeriods: 1,
        treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      }),
      new cloudwatch.Alarm(this, 'JobTimedOut', {
        alarmName: 'lazaret-job-timed-out',
        alarmDescription: 'A job ran for more than a week. See docs/runbook.md#a-job-ended-as-failed',
        metric: stateMachine.metricTimedOut({ period, statistic: 'Sum' }),
        threshold: 1,
        evaluationPeriods: 1,
        treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      }),
      new cloudwatch.Alarm(this, 'TearDownFailed', {
        alarmName: 'lazaret-tear-down-failed',
        alarmDescription:
          'Something of a stopped job may be left: queues, tasks, objects. See docs/runbook.md#the-tear-down-failed',
        metric: tearDownDeadLetters.metricApproximateNumberOfMessagesVisible({ period, statistic: 'Maximum' }),
        threshold: 1,
        evaluationPeriods: 1,
        treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      }),
    ];
    tellTopic(this, alarms, props.topicArn);
  }
}
