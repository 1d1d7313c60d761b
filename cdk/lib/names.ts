/**
 * The names of ARCHITECTURE.md. Programs find each other by them, so they are fixed: one deployment an account and region.
 */
export const STATE_MACHINE = 'lazaret-retro-job';
export const CLUSTER = 'lazaret';
export const CRAWLER_FAMILY = 'lazaret-crawler';
export const AGENT_FAMILY = 'lazaret-agent';
/** Each job's queues begin with this; nothing else in the account may. */
export const JOB_QUEUE_PREFIX = 'lazaret-job-';
/** Of the tear-down rule. Not `lazaret-job-…`, or the tear-down of a job of that name would delete it. */
export const TEARDOWN_DEAD_LETTER_QUEUE = 'lazaret-teardown-events-dead';

/** Container names, as the state machine's overrides spell them. */
export const CRAWLER_CONTAINER = 'crawler';
export const AGENT_CONTAINER = 'agent';

/** What Lambda's `_HANDLER` may be. */
export const FUNCTIONS = ['check_input', 'size_fleet', 'check_drain', 'report', 'tear_down'] as const;
export type FunctionHandler = (typeof FUNCTIONS)[number];

export function functionName(handler: FunctionHandler): string {
  return `lazaret-${handler.replaceAll('_', '-')}`;
}

export function resultsBucketName(account: string, region: string): string {
  return `lazaret-results-${account}-${region}`;
}

export function quarantineBucketName(account: string, region: string): string {
  return `lazaret-quarantine-${account}-${region}`;
}
