import { Aws, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { AGENT_FAMILY, API, EVENT_AGENT_FAMILY, PROMOTE, taskRoleName } from '../names';

/**
 * ARNs of the roles of the deployment in this stack's account and region that read or write objects of others, by their fixed names. They need
 * not be there: a condition is text.
 */
export interface LazaretRoles {
  /** Agents of jobs and of events: read, tag, move. */
  readonly agents: readonly string[];
  /** The function that promotes: reads staging, writes production. */
  readonly promote: string;
  /** The verdict API: scans objects where they lie, and stores clean files. */
  readonly api: string;
}

export function lazaretRoles(scope: Construct): LazaretRoles {
  const { account, region } = Stack.of(scope);
  const role = (name: string): string => `arn:${Aws.PARTITION}:iam::${account}:role/${taskRoleName(name, region)}`;
  return { agents: [role(AGENT_FAMILY), role(EVENT_AGENT_FAMILY)], promote: role(PROMOTE), api: role(API) };
}
