import { Aws, Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as subscriptions from 'aws-cdk-lib/aws-sns-subscriptions';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Settings } from '../config';
import { EVENTS_DEAD_LETTER_QUEUE, EVENTS_QUEUE, EVENTS_TOPIC } from '../names';

export interface EventIntakeProps {
  readonly settings: Settings;
}

/**
 * How events reach the agents: S3 → topic → queue for buckets that `lazaret bucket protect` set up, EventBridge → the same queue for
 * those whose owner had EventBridge on already.
 */
export class EventIntake extends Construct {
  readonly queue: sqs.Queue;
  readonly deadLetterQueue: sqs.Queue;

  constructor(scope: Construct, id: string, props: EventIntakeProps) {
    super(scope, id);
    const { settings } = props;
    this.deadLetterQueue = new sqs.Queue(this, 'DeadLetters', {
      queueName: EVENTS_DEAD_LETTER_QUEUE,
      retentionPeriod: Duration.days(14),
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    acknowledge(this.deadLetterQueue, { 'AwsSolutions-SQS3': 'It is a dead-letter queue itself.' });
    /*
     * Its policy lets the topic and the rule send, and nobody else. A role of the account that IAM lets send still can: that is how dead
     * letters are sent again, and a forged message has an object scanned once more, which does no harm.
     */
    this.queue = new sqs.Queue(this, 'Queue', {
      queueName: EVENTS_QUEUE,
      retentionPeriod: Duration.days(14),
      visibilityTimeout: Duration.seconds(settings.visibilitySeconds),
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: 5 },
    });

    const topic = this.createTopic();
    // raw: an agent reads S3's own JSON; it would read SNS's envelope, too
    topic.addSubscription(new subscriptions.SqsSubscription(this.queue, { rawMessageDelivery: true }));

    new events.Rule(this, 'ObjectCreated', {
      ruleName: 'lazaret-object-created',
      description:
        'New and restored objects of buckets that deliver to EventBridge; agents ignore those that are not protected',
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created', 'Object Restore Completed'],
        ...bucketPattern(settings.scanBuckets),
      },
      targets: [new targets.SqsQueue(this.queue)],
    });
  }

  private createTopic(): sns.Topic {
    const topic = new sns.Topic(this, 'Topic', { topicName: EVENTS_TOPIC, enforceSSL: true });
    acknowledge(topic, {
      'AwsSolutions-SNS2':
        'S3 can’t use the AWS managed key, whose policy no one can open to it; a key of one’s own would be one more thing to lose. Events hold names, no contents.',
    });
    topic.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'BucketsOfThisAccount',
        principals: [new iam.ServicePrincipal('s3.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
    return topic;
  }
}

/** Of the buckets that may be scanned: what an agent may not read need not wake it. */
function bucketPattern(buckets: readonly string[]): { detail?: Record<string, unknown> } {
  return buckets.includes('*')
    ? {}
    : { detail: { bucket: { name: buckets.map((name) => (name.includes('*') ? { wildcard: name } : name)) } } };
}
