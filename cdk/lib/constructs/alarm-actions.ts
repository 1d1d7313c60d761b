import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as sns from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

/** Has the owner's topic hear of alarms. Without one they only show in the console. */
export function tellTopic(scope: Construct, alarms: readonly cloudwatch.Alarm[], topicArn: string | undefined): void {
  if (topicArn !== undefined) {
    const action = new actions.SnsAction(sns.Topic.fromTopicArn(scope, 'Topic', topicArn));
    for (const alarm of alarms) {
      alarm.addAlarmAction(action);
    }
  }
}
