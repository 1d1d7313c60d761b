import { Aws } from 'aws-cdk-lib';
import type { Settings } from './config';
import {
  AGENT_FAMILY,
  CLUSTER,
  CRAWLER_FAMILY,
  DEFINITIONS_FAMILY,
  EVENT_AGENT_FAMILY,
  EVENT_BUS,
  EVENTS_QUEUE,
  EVENTS_TOPIC,
  JOB_QUEUE_PREFIX,
  NOTIFICATIONS_TOPIC,
  promoteStateMachineName,
  quarantineBucketName,
  resultsBucketName,
  SCHEDULE_GROUP,
  STATE_MACHINE,
  taskRoleName,
} from './names';
import { within } from './patterns';

/** The ARNs of one deployment, by the names of ARCHITECTURE.md: no stack needs another's exports. */
export class Arns {
  readonly account: string;
  readonly region: string;
  readonly resultsBucketName: string;
  readonly quarantineBucketName: string;
  readonly resultsBucket: string;
  readonly quarantineBucket: string;
  readonly quarantineObjects: string;
  /** Without the queue's name. */
  readonly queuePrefix: string;
  /** The queues of all jobs, dead-letter queues included. */
  readonly jobQueues: string;
  readonly deadLetterQueues: string;
  readonly cluster: string;
  readonly tasks: string;
  readonly stateMachine: string;
  /** Of the retro job. */
  readonly jobExecutions: string;
  readonly scheduleGroup: string;
  readonly promoteStateMachine: string;
  readonly promoteExecutions: string;
  readonly eventsTopic: string;
  readonly eventsQueue: string;
  readonly notificationsTopic: string;
  readonly eventBus: string;
  /** The task roles of agents, in jobs and of events: who may write verdicts. */
  readonly agentRoles: readonly string[];
  /** Every revision: a job of a week must outlive a deployment, which retires the revision that it started with. */
  readonly crawlerTaskDefinitions: string;
  readonly agentTaskDefinitions: string;
  readonly definitionsTaskDefinitions: string;
  readonly scanBuckets: readonly string[];
  readonly scanObjects: readonly string[];
  readonly stagingBuckets: readonly string[];
  readonly stagingObjects: readonly string[];
  readonly apiScanBuckets: readonly string[];
  readonly apiScanObjects: readonly string[];
  readonly apiUploadObjects: readonly string[];
  readonly promoteBuckets: readonly string[];
  readonly promoteObjects: readonly string[];
  /** Those of `promoteObjects` that a wider pattern of staging buckets would take in as well, and no entry of its own means to. */
  readonly productionObjects: readonly string[];

  constructor(
    account: string,
    region: string,
    settings: Pick<Settings, 'scanBuckets' | 'stagingBuckets' | 'promoteBuckets' | 'promoteType' | 'api'>,
  ) {
    const arn = (service: string, resource: string): string =>
      `arn:${Aws.PARTITION}:${service}:${region}:${account}:${resource}`;
    const bucket = (name: string): string => `arn:${Aws.PARTITION}:s3:::${name}`;
    this.account = account;
    this.region = region;
    this.resultsBucketName = resultsBucketName(account, region);
    this.quarantineBucketName = quarantineBucketName(account, region);
    this.resultsBucket = bucket(this.resultsBucketName);
    this.quarantineBucket = bucket(this.quarantineBucketName);
    this.quarantineObjects = `${this.quarantineBucket}/*`;
    this.queuePrefix = arn('sqs', '');
    this.jobQueues = arn('sqs', `${JOB_QUEUE_PREFIX}*`);
    this.deadLetterQueues = arn('sqs', `${JOB_QUEUE_PREFIX}*-dead`);
    this.cluster = arn('ecs', `cluster/${CLUSTER}`);
    this.tasks = arn('ecs', `task/${CLUSTER}/*`);
    this.stateMachine = arn('states', `stateMachine:${STATE_MACHINE}`);
    this.jobExecutions = arn('states', `execution:${STATE_MACHINE}:*`);
    this.scheduleGroup = arn('scheduler', `schedule-group/${SCHEDULE_GROUP}`);
    this.promoteStateMachine = arn('states', `stateMachine:${promoteStateMachineName(settings.promoteType)}`);
    this.promoteExecutions = arn('states', `execution:${promoteStateMachineName(settings.promoteType)}:*`);
    this.eventsTopic = arn('sns', EVENTS_TOPIC);
    this.eventsQueue = arn('sqs', EVENTS_QUEUE);
    this.notificationsTopic = arn('sns', NOTIFICATIONS_TOPIC);
    this.eventBus = arn('events', `event-bus/${EVENT_BUS}`);
    this.agentRoles = [AGENT_FAMILY, EVENT_AGENT_FAMILY].map(
      (family) => `arn:${Aws.PARTITION}:iam::${account}:role/${taskRoleName(family, region)}`,
    );
    this.crawlerTaskDefinitions = arn('ecs', `task-definition/${CRAWLER_FAMILY}:*`);
    this.agentTaskDefinitions = arn('ecs', `task-definition/${AGENT_FAMILY}:*`);
    this.definitionsTaskDefinitions = arn('ecs', `task-definition/${DEFINITIONS_FAMILY}:*`);
    this.scanBuckets = settings.scanBuckets.map(bucket);
    this.scanObjects = settings.scanBuckets.map((name) => `${bucket(name)}/*`);
    this.stagingBuckets = settings.stagingBuckets.map(bucket);
    this.stagingObjects = settings.stagingBuckets.map((name) => `${bucket(name)}/*`);
    this.apiScanBuckets = settings.api.scanBuckets.map(bucket);
    this.apiScanObjects = settings.api.scanBuckets.map((name) => `${bucket(name)}/*`);
    this.apiUploadObjects = settings.api.uploadBuckets.map((name) => `${bucket(name)}/*`);
    this.promoteBuckets = settings.promoteBuckets.map(bucket);
    this.promoteObjects = settings.promoteBuckets.map((name) => `${bucket(name)}/*`);
    this.productionObjects = productionOnly(settings).map((name) => `${bucket(name)}/*`);
  }

  /** Objects of the results bucket; `pattern` as in workers/model/src/layout.rs, with `*` for a job's id. */
  results(pattern: string): string {
    return `${this.resultsBucket}/${pattern}`;
  }
}

/**
 * IAM's patterns know no "all but": what is denied in production must be denied nowhere in staging. So a destination counts as production
 * only if it lies within a pattern of staging buckets and none of these lies within it.
 */
function productionOnly(settings: Pick<Settings, 'stagingBuckets' | 'promoteBuckets'>): string[] {
  const { stagingBuckets, promoteBuckets } = settings;
  return promoteBuckets.filter(
    (target) =>
      stagingBuckets.some((staging) => within(target, staging)) &&
      !stagingBuckets.some((staging) => within(staging, target)),
  );
}
