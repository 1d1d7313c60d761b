import * as kms from 'aws-cdk-lib/aws-kms';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { NOTIFICATIONS_TOPIC } from '../names';

/**
 * Results for whoever subscribes, by the attributes `notificationType`, `scanResult`, `bucket` and `account`. Under the AWS managed key:
 * only our own roles publish, and it costs nothing.
 */
export class NotificationsTopic extends Construct {
  readonly topic: sns.Topic;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.topic = new sns.Topic(this, 'Topic', {
      topicName: NOTIFICATIONS_TOPIC,
      masterKey: kms.Alias.fromAliasName(this, 'Key', 'alias/aws/sns'),
      enforceSSL: true,
    });
  }
}
