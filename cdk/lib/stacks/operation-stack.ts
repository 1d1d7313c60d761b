import { Stack, type StackProps } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { Dashboard } from '../constructs/dashboard';
import { LogQueries } from '../constructs/log-queries';
import { API_QUESTIONS, LOG_QUESTIONS, type LogQuestion } from '../log-questions';
import type { ApiStack } from './api-stack';

export interface OperationStackProps extends StackProps {
  readonly settings: Settings;
  /** The stacks whose alarms are shown. */
  readonly watched: readonly Stack[];
  /** Where there is an API. */
  readonly api: ApiStack | undefined;
}

/** What people look at. Nothing depends on it. */
export class OperationStack extends Stack {
  constructor(scope: Construct, id: string, props: OperationStackProps) {
    super(scope, id, props);
    const { settings, api } = props;
    new LogQueries(this, 'Queries', {
      questions: answerable(logGroups(props.watched)),
    });
    if (settings.dashboard) {
      new Dashboard(this, 'Overview', {
        settings,
        arns: new Arns(this.account, this.region, settings),
        alarmNames: alarmNames(props.watched),
        balancer: api?.balancer,
      });
    }
  }
}

/** Each of what there is to ask; those that nothing deployed could answer are left out. */
function answerable(groups: ReadonlySet<string>): LogQuestion[] {
  return [...LOG_QUESTIONS, ...API_QUESTIONS]
    .map((question) => ({ ...question, of: question.of.filter((group) => groups.has(group)) }))
    .filter(({ of }) => of.length > 0);
}

function logGroups(stacks: readonly Stack[]): Set<string> {
  const groups = stacks.flatMap((stack) => stack.node.findAll()).filter((node) => node instanceof logs.CfnLogGroup);
  return new Set(groups.map(({ logGroupName }) => logGroupName ?? ''));
}

/** Those that name their section of the runbook: the others only scale. */
function alarmNames(stacks: readonly Stack[]): string[] {
  return stacks
    .flatMap((stack) => stack.node.findAll())
    .filter((node) => node instanceof cloudwatch.CfnAlarm)
    .filter(({ alarmDescription }) => alarmDescription?.includes('docs/runbook.md#') === true)
    .map(({ alarmName }) => alarmName ?? '')
    .sort();
}
