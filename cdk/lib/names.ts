import type { PromoteType } from './config';

/**
 * The names of ARCHITECTURE.md. Programs find each other by them, so they are fixed: one deployment an account and region.
 */
export const STATE_MACHINE = 'lazaret-retro-job';
export const CLUSTER = 'lazaret';
export const CRAWLER_FAMILY = 'lazaret-crawler';
export const AGENT_FAMILY = 'lazaret-agent';
export const DEFINITIONS_FAMILY = 'lazaret-definitions';
export const EVENT_AGENT_FAMILY = 'lazaret-event-agent';
export const EVENT_SERVICE = 'lazaret-events';
/** The verdict API: its service, its task family, its load balancer and the app client of its users. */
export const API = 'lazaret-api';
export const USER_POOL = 'lazaret';
/** Each job's queues begin with this; nothing else in the account may. */
export const JOB_QUEUE_PREFIX = 'lazaret-job-';
/** Of the tear-down rule. Not `lazaret-job-…`, or the tear-down of a job of that name would delete it. */
export const TEARDOWN_DEAD_LETTER_QUEUE = 'lazaret-teardown-events-dead';

/** S3 publishes here; the queue of the same name hears of it. */
export const EVENTS_TOPIC = 'lazaret-events';
export const EVENTS_QUEUE = 'lazaret-events';
export const EVENTS_DEAD_LETTER_QUEUE = 'lazaret-events-dead';
/** Results for people: whoever subscribes. */
export const NOTIFICATIONS_TOPIC = 'lazaret-notifications';

/** Of EventBridge Scheduler: schedules that `lazaret` makes, and those of `RetroSchedule`. */
export const SCHEDULE_GROUP = 'lazaret';
export const SCHEDULE_DEAD_LETTER_QUEUE = 'lazaret-schedules-dead';

/** Of the events that we put on the default bus. */
export const EVENT_BUS = 'default';
export const EVENT_SOURCE = 'lazaret';
export const SCAN_RESULT = 'Object Scan Result';
export const PROMOTION_RESULT = 'Object Promotion Result';

/** Container names, as the state machine's overrides spell them. */
export const CRAWLER_CONTAINER = 'crawler';
export const AGENT_CONTAINER = 'agent';
export const DEFINITIONS_CONTAINER = 'definitions';
export const API_CONTAINER = 'api';

/** What Lambda's `_HANDLER` may be. */
export const FUNCTIONS = [
  'check_input',
  'size_fleet',
  'check_drain',
  'report',
  'tear_down',
  'promote',
  'protect_tagged',
  'watch_staging',
  'start_scheduled',
  'watch_definitions',
] as const;
export type FunctionHandler = (typeof FUNCTIONS)[number];

/** A state machine can't change its type, and no two have one name: so that a deployment can, each type has its own. */
export function promoteStateMachineName(type: PromoteType): string {
  return type === 'STANDARD' ? 'lazaret-promote-object' : 'lazaret-promote-object-express';
}

export function functionName(handler: FunctionHandler): string {
  return `lazaret-${handler.replaceAll('_', '-')}`;
}

/** Of the function that promotes, and of its role. */
export const PROMOTE = 'lazaret-promote';

/**
 * Of the roles that bucket policies name: those of agents, of the promotion, of the API. Fixed, since such policies are deployed without
 * them, the results bucket's and those of other teams' apps; with the region, since roles are the account's.
 */
export function taskRoleName(family: string, region: string): string {
  return `${family}-${region}`;
}

/** Of the role that EventBridge Scheduler calls with; whoever makes a schedule passes it. */
export function schedulerRoleName(region: string): string {
  return `lazaret-scheduler-${region}`;
}

export function resultsBucketName(account: string, region: string): string {
  return `lazaret-results-${account}-${region}`;
}

export function quarantineBucketName(account: string, region: string): string {
  return `lazaret-quarantine-${account}-${region}`;
}

/** The tags that name a verdict, and ask for protection: as in workers/model/src/tags.rs and workers/protection/src/tag.rs. */
export const RESULT_TAG = 'scan-result';
export const PROTECT_TAG = 'lazaret:protect';
export const ACCEPT_TAG = 'lazaret:accept-from';
