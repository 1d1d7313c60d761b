import { Construct } from 'constructs';
import type { Arns } from '../arns';
import { beatSeconds, type Settings } from '../config';
import { CRAWLER_CONTAINER, CRAWLER_FAMILY } from '../names';
import type { Permission } from '../permissions';
import { WorkerTask } from './worker-task';

export interface CrawlerTaskProps {
  readonly settings: Settings;
  readonly arns: Arns;
}

/** Lists one bucket, packs and enqueues what is in the window. Reads no object of theirs. */
export class CrawlerTask extends Construct {
  readonly task: WorkerTask;

  constructor(scope: Construct, id: string, props: CrawlerTaskProps) {
    super(scope, id);
    const { settings, arns } = props;
    this.task = new WorkerTask(this, 'Worker', {
      family: CRAWLER_FAMILY,
      worker: CRAWLER_CONTAINER,
      settings,
      size: settings.crawler,
      environment: {
        LAZARET_RESULTS_BUCKET: arns.resultsBucketName,
        LAZARET_HEARTBEAT_SECONDS: String(beatSeconds(settings)),
        LAZARET_PROGRESS_SECONDS: String(settings.progressSeconds),
        LAZARET_PACKET_OBJECTS: String(settings.packetObjects),
        LAZARET_PACKET_BYTES: String(settings.packetBytes),
      },
      permissions: crawlerPermissions(arns),
    });
  }
}

function crawlerPermissions(arns: Arns): Permission[] {
  return [
    { why: 'Lists the buckets that the owner named.', actions: ['s3:ListBucket'], resources: arns.scanBuckets },
    {
      why: 'Reads which objects the run of any schedule takes.',
      actions: ['s3:GetObject'],
      resources: [arns.results('work/*/selection/*')],
    },
    {
      why: 'Writes what it counted, and the rows of archived objects, for any job.',
      actions: ['s3:PutObject'],
      resources: [arns.results('work/*/crawls/*'), arns.results('work/*/progress/*'), arns.results('jobs/*/parts/*')],
    },
    {
      why: 'Takes the counters of a failed attempt down, in any job: the next one counts again.',
      actions: ['s3:DeleteObject'],
      resources: [arns.results('work/*/progress/*')],
    },
    { why: 'Sends packets to the queue of any job.', actions: ['sqs:SendMessage'], resources: [arns.jobQueues] },
    {
      why: 'Answers its own token; a token is as good as its secrecy and names no other resource.',
      actions: ['states:SendTaskHeartbeat', 'states:SendTaskSuccess', 'states:SendTaskFailure'],
      resources: [arns.stateMachine],
    },
  ];
}
