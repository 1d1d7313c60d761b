import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as destinations from 'aws-cdk-lib/aws-lambda-destinations';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { TEARDOWN_DEAD_LETTER_QUEUE } from '../names';

export interface TearDownRuleProps {
  readonly stateMachineArn: string;
  readonly tearDown: lambda.Function;
}

/**
 * Tears down after whatever runs no Catch: an abort, a time-out, an error in the state machine itself. After an ordinary
 * failure the work is done already, and the function finds nothing to do.
 */
export class TearDownRule extends Construct {
  /** Events whose tear-down failed: a job of which something may be left. */
  readonly deadLetterQueue: sqs.Queue;

  constructor(scope: Construct, id: string, props: TearDownRuleProps) {
    super(scope, id);
    this.deadLetterQueue = new sqs.Queue(this, 'DeadLetters', {
      queueName: TEARDOWN_DEAD_LETTER_QUEUE,
      retentionPeriod: Duration.days(14),
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    });
    acknowledge(this.deadLetterQueue, { 'AwsSolutions-SQS3': 'It is a dead-letter queue itself.' });

    new events.Rule(this, 'Rule', {
      ruleName: 'lazaret-tear-down',
      description: 'Leaves nothing of a job behind that was stopped, timed out or failed',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: { stateMachineArn: [props.stateMachineArn], status: ['FAILED', 'ABORTED', 'TIMED_OUT'] },
      },
      targets: [
        new targets.LambdaFunction(props.tearDown, {
          deadLetterQueue: this.deadLetterQueue,
          retryAttempts: 20,
          maxEventAge: Duration.hours(24),
        }),
      ],
    });
    // EventBridge hands the event over and is done: what fails after that is Lambda's to repeat, twice at most
    props.tearDown.configureAsyncInvoke({
      onFailure: new destinations.SqsDestination(this.deadLetterQueue),
      retryAttempts: 2,
      maxEventAge: Duration.hours(6),
    });
  }
}
