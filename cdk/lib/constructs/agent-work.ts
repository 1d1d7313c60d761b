import type { Arns } from '../arns';
import {
  AGENT_FAMILY,
  EVENT_AGENT_FAMILY,
  EVENT_BUS,
  EVENT_SERVICE,
  EVENT_SOURCE,
  SCAN_RESULT,
  taskRoleName,
} from '../names';
import type { Permission } from '../permissions';

/** What an agent needs for its kind of work, on top of what every agent needs. */
export interface AgentWork {
  readonly family: string;
  readonly roleName: string;
  /** Its log group, below `/lazaret/`. */
  readonly log: string;
  /** Whether its objects are traced. */
  readonly traced: boolean;
  readonly environment: Readonly<Record<string, string>>;
  readonly permissions: readonly Permission[];
}

/** To finish what is in hand after SIGTERM. Fargate kills after 120 (`stopTimeout`): ten are left to give back the rest. */
const EVENT_GRACE_SECONDS = 110;

const RECEIVE = [
  'sqs:ReceiveMessage',
  'sqs:DeleteMessage',
  'sqs:ChangeMessageVisibility',
  'sqs:GetQueueAttributes',
  'sqs:GetQueueUrl',
];

/** The packets of one job: its id and queue come with the launch. */
export function jobWork(arns: Arns, region: string): AgentWork {
  return {
    family: AGENT_FAMILY,
    roleName: taskRoleName(AGENT_FAMILY, region),
    log: 'agent',
    // a trace holds 100 KB at the least (Step Functions' documentation): a job's packets would not fit
    traced: false,
    environment: {},
    permissions: [
      {
        why: 'Reads the plan of any job, and the parts that are written already.',
        actions: ['s3:GetObject'],
        resources: [arns.results('work/*/plan.json'), arns.results('jobs/*/parts/*')],
      },
      {
        why: 'Writes parts and counters of any job.',
        actions: ['s3:PutObject'],
        resources: [arns.results('jobs/*/parts/*'), arns.results('work/*/progress/*')],
      },
      { why: 'Works the queue of any job.', actions: RECEIVE, resources: [arns.jobQueues] },
    ],
  };
}

/** The events of protected buckets, until it is told to end. */
export function eventWork(arns: Arns, region: string, queueUrl: string): AgentWork {
  return {
    family: EVENT_AGENT_FAMILY,
    roleName: taskRoleName(EVENT_AGENT_FAMILY, region),
    log: EVENT_SERVICE.replace('lazaret-', ''),
    traced: true,
    environment: {
      LAZARET_WORK: 'events',
      LAZARET_QUEUE_URL: queueUrl,
      LAZARET_NOTIFICATIONS_TOPIC_ARN: arns.notificationsTopic,
      LAZARET_EVENT_BUS: EVENT_BUS,
      LAZARET_GRACE_SECONDS: String(EVENT_GRACE_SECONDS),
    },
    permissions: [
      { why: 'Works the queue of events.', actions: RECEIVE, resources: [arns.eventsQueue] },
      { why: 'Tells results to who subscribed.', actions: ['sns:Publish'], resources: [arns.notificationsTopic] },
      {
        why: 'Tells results to the account, and can say nothing else there.',
        actions: ['events:PutEvents'],
        resources: [arns.eventBus],
        conditions: { StringEquals: { 'events:source': EVENT_SOURCE, 'events:detail-type': SCAN_RESULT } },
      },
    ],
  };
}
