import { RemovalPolicy } from 'aws-cdk-lib';
import type * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Settings } from '../config';
import { ownKey } from './own-key';

/** A state machine's log group. Its role gets CDK's statement for log deliveries, which know no resource. */
export function stateMachineLog(scope: Construct, name: string, settings: Settings, role: iam.Role): logs.LogGroup {
  acknowledge(role, {
    'AwsSolutions-IAM5[Resource::*]':
      'Log deliveries of Step Functions, and X-Ray where there are traces, know no resource (CDK adds the statements).',
  });
  return new logs.LogGroup(scope, 'Log', {
    // the prefix keeps the account's log resource policy from growing with every state machine
    logGroupName: `/aws/vendedlogs/states/${name}`,
    retention: settings.logRetentionDays,
    ...ownKey(scope, settings.ownKeyArn),
    removalPolicy: RemovalPolicy.DESTROY,
  });
}
