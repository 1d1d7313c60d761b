import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { tellTopic } from './alarm-actions';

/** When to call a person, and with which words; these name a section of docs/runbook.md. One of the three thresholds. */
export interface AlarmProps {
  readonly says: string;
  readonly metric: cloudwatch.IMetric;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly below?: number;
  /** In a row. @default 1 */
  readonly periods?: number;
  /** @default NOT_BREACHING - most metrics exist only while something happens */
  readonly missing?: cloudwatch.TreatMissingData;
}

const { GREATER_THAN_OR_EQUAL_TO_THRESHOLD, LESS_THAN_OR_EQUAL_TO_THRESHOLD, LESS_THAN_THRESHOLD } =
  cloudwatch.ComparisonOperator;

/** The alarms of one construct. */
export class Alarms {
  private readonly all: cloudwatch.Alarm[] = [];

  constructor(private readonly scope: Construct) {}

  add(id: string, alarmName: string, props: AlarmProps): void {
    const alarm = new cloudwatch.Alarm(this.scope, id, {
      alarmName,
      alarmDescription: props.says,
      metric: props.metric,
      threshold: props.atLeast ?? props.atMost ?? props.below ?? 0,
      comparisonOperator: comparison(props),
      evaluationPeriods: props.periods ?? 1,
      datapointsToAlarm: props.periods ?? 1,
      treatMissingData: props.missing ?? cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    this.all.push(alarm);
  }

  /** Has the owner's topic hear of them all. */
  tell(topicArn: string | undefined): void {
    tellTopic(this.scope, this.all, topicArn);
  }
}

function comparison({ atLeast, atMost }: AlarmProps): cloudwatch.ComparisonOperator {
  if (atLeast !== undefined) {
    return GREATER_THAN_OR_EQUAL_TO_THRESHOLD;
  }
  return atMost === undefined ? LESS_THAN_THRESHOLD : LESS_THAN_OR_EQUAL_TO_THRESHOLD;
}
