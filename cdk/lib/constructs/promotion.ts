import * as fs from 'node:fs';
import { Aws } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Arns } from '../arns';
import type { PromoteType, Settings } from '../config';
import { EVENT_SOURCE, PROMOTION_RESULT, promoteStateMachineName } from '../names';
import { permit } from '../permissions';
import { PROMOTE_OBJECT_DEFINITION } from '../repository';
import { stateMachineLog } from './state-machine-log';

export interface PromotionProps {
  readonly settings: Settings;
  readonly arns: Arns;
  readonly promote: lambda.Function;
}

interface Times {
  /** Of the function. */
  readonly functionSeconds: number;
  /** Of the step that calls it: a little more, so that the function's own time-out is what is met. */
  readonly stepSeconds: number;
  /** Of an execution. */
  readonly machineSeconds: number;
}

/**
 * Standard: Lambda's longest, and a day for all of its retries: on average an hour of waiting at each step, and 35 tries at the most. Express ends everything after five minutes: 30 s to read
 * the verdict, 240 for the step, and 20 are left to announce how it ended.
 */
export const PROMOTION_TIMES: Readonly<Record<PromoteType, Times>> = {
  STANDARD: { functionSeconds: 900, stepSeconds: 960, machineSeconds: 24 * 3600 },
  EXPRESS: { functionSeconds: 230, stepSeconds: 240, machineSeconds: 300 },
};

/** The state machine that takes one object out of a staging bucket; its flow stands in statemachines/promote-object.asl.json. */
export class Promotion extends Construct {
  readonly stateMachine: sfn.StateMachine;

  constructor(scope: Construct, id: string, props: PromotionProps) {
    super(scope, id);
    const { settings, arns } = props;
    const type = settings.promoteType;
    const name = promoteStateMachineName(type);
    const role = createRole(this, props);
    this.stateMachine = new sfn.StateMachine(this, 'StateMachine', {
      stateMachineName: name,
      stateMachineType: sfn.StateMachineType[type],
      comment: 'Takes one version of an object out of a staging bucket, as its verdict says',
      definitionBody: sfn.DefinitionBody.fromString(definition(type)),
      definitionSubstitutions: {
        PromoteArn: props.promote.functionArn,
        NotificationsTopicArn: arns.notificationsTopic,
        Account: Aws.ACCOUNT_ID,
        StepSeconds: String(PROMOTION_TIMES[type].stepSeconds),
      },
      role,
      tracingEnabled: settings.traces,
      logs: {
        destination: stateMachineLog(this, name, settings, role),
        // an execution an object: what went well is on the event bus, and a line for each of its ten states would cost more than the scan
        level: sfn.LogLevel.ERROR,
        // keys of objects are the owner's secrets; the failure's text goes to who subscribed
        includeExecutionData: false,
      },
    });
    acknowledge(this.stateMachine, {
      'AwsSolutions-SF1':
        'Errors only, and no data: one execution is one object. Each result is an event on the default bus.',
      'AwsSolutions-SF2': 'Two steps and an announcement; `traces` adds a trace where the owner wants one.',
    });
  }
}

function definition(type: PromoteType): string {
  const text = fs.readFileSync(PROMOTE_OBJECT_DEFINITION, 'utf8');
  // the one number that a definition can neither take from a placeholder nor from an expression
  return type === 'STANDARD'
    ? text
    : JSON.stringify({ ...JSON.parse(text), TimeoutSeconds: PROMOTION_TIMES[type].machineSeconds }, null, 2);
}

function createRole(scope: Construct, { settings, arns, promote }: PromotionProps): iam.Role {
  const role = new iam.Role(scope, 'Role', {
    assumedBy: new iam.ServicePrincipal('states.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': arns.account } },
    }),
    description: `What the state machine ${promoteStateMachineName(settings.promoteType)} may do`,
  });
  permit(role, [
    { why: 'Its three steps.', actions: ['lambda:InvokeFunction'], resources: [promote.functionArn] },
    { why: 'Tells who subscribed.', actions: ['sns:Publish'], resources: [arns.notificationsTopic] },
    {
      why: 'Tells the account, and can say nothing else there.',
      actions: ['events:PutEvents'],
      resources: [arns.eventBus],
      conditions: { StringEquals: { 'events:source': EVENT_SOURCE, 'events:detail-type': PROMOTION_RESULT } },
    },
  ]);
  return role;
}
