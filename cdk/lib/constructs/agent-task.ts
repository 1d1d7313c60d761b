import { Construct } from 'constructs';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { AGENT_CONTAINER, AGENT_FAMILY } from '../names';
import { forbid, type Permission } from '../permissions';
import { WorkerTask } from './worker-task';

export interface AgentTaskProps {
  readonly settings: Settings;
  readonly arns: Arns;
}

/** Receives packets, fetches, scans, acts and records. */
export class AgentTask extends Construct {
  readonly task: WorkerTask;

  constructor(scope: Construct, id: string, props: AgentTaskProps) {
    super(scope, id);
    const { settings, arns } = props;
    const { engine, scratchDir } = settings.agentPaths;
    this.task = new WorkerTask(this, 'Worker', {
      family: AGENT_FAMILY,
      worker: AGENT_CONTAINER,
      settings,
      size: settings.agent,
      environment: {
        LAZARET_RESULTS_BUCKET: arns.resultsBucketName,
        LAZARET_QUARANTINE_BUCKET: arns.quarantineBucketName,
        LAZARET_ENGINE: engine,
        LAZARET_DEFINITIONS: 's3',
        LAZARET_DEFINITIONS_POLL_SECONDS: String(settings.definitionsPollSeconds),
        LAZARET_DEFINITIONS_MAX_AGE_SECONDS: String(settings.definitionsMaxAgeSeconds),
        LAZARET_VERDICT_CACHE_ENTRIES: String(settings.verdictCacheEntries),
        LAZARET_ENGINE_LIMITS: settings.engineLimits,
        ...(settings.jailAllowMissing === '' ? {} : { LAZARET_JAIL_ALLOW_MISSING: settings.jailAllowMissing }),
        LAZARET_SCRATCH_DIR: scratchDir,
        LAZARET_SCAN_WORKERS: String(settings.scanWorkers),
        LAZARET_SCAN_SECONDS: String(settings.scanSeconds),
        LAZARET_FETCH_BYTES: String(settings.fetchBytes),
        LAZARET_VISIBILITY_SECONDS: String(settings.visibilitySeconds),
        LAZARET_IDLE_SECONDS: String(settings.idleSeconds),
        LAZARET_PROGRESS_SECONDS: String(settings.progressSeconds),
        // the only place that may be written
        TMPDIR: scratchDir,
      },
      scratch: { path: scratchDir, gib: settings.scratchGiB },
      permissions: agentPermissions(settings, arns),
    });
    // `scanBuckets` may be a pattern that our own buckets match: proof and evidence are still not an agent's to delete
    forbid(
      this.task.taskRole,
      ['s3:DeleteObject', 's3:DeleteObjectVersion'],
      [arns.results('*'), arns.quarantineObjects],
    );
  }
}

function agentPermissions(settings: Settings, arns: Arns): Permission[] {
  const permissions: Permission[] = [
    {
      why: 'Without it S3 answers 403 for what is gone, and a deleted object would be an Error in place of Gone.',
      actions: ['s3:ListBucket', 's3:ListBucketVersions'],
      resources: [...arns.scanBuckets, arns.resultsBucket, arns.quarantineBucket],
    },
    {
      why: 'Scans, tags and, once infected, removes any object of the buckets that the owner named.',
      actions: [
        's3:GetObject',
        's3:GetObjectVersion',
        's3:GetObjectTagging',
        's3:GetObjectVersionTagging',
        's3:PutObjectTagging',
        's3:PutObjectVersionTagging',
        's3:DeleteObjectTagging',
        's3:DeleteObjectVersionTagging',
        's3:DeleteObject',
        's3:DeleteObjectVersion',
      ],
      resources: arns.scanObjects,
    },
    {
      why: 'Moves infected objects here, and looks whether one is here already before it calls it gone.',
      actions: [
        's3:PutObject',
        's3:PutObjectTagging',
        's3:GetObject',
        's3:GetObjectTagging',
        's3:AbortMultipartUpload',
      ],
      resources: [arns.quarantineObjects],
    },
    {
      why: 'Reads the plan of any job, the policies and the parts that are written already.',
      actions: ['s3:GetObject'],
      resources: [arns.results('work/*/plan.json'), arns.results('jobs/*/parts/*'), arns.results('settings/*')],
    },
    {
      why: 'Fetches the definitions that are in force; it can neither publish nor choose them.',
      actions: ['s3:GetObject'],
      resources: [arns.results('definitions/*')],
    },
    {
      why: 'Writes parts and counters of any job.',
      actions: ['s3:PutObject'],
      resources: [arns.results('jobs/*/parts/*'), arns.results('work/*/progress/*')],
    },
    {
      why: 'Works the queue of any job.',
      actions: [
        'sqs:ReceiveMessage',
        'sqs:DeleteMessage',
        'sqs:ChangeMessageVisibility',
        'sqs:GetQueueAttributes',
        'sqs:GetQueueUrl',
      ],
      resources: [arns.jobQueues],
    },
  ];
  if (settings.kmsKeyArns.length > 0) {
    permissions.push({
      why: 'Reads objects under the keys that the owner named.',
      actions: ['kms:Decrypt'],
      resources: settings.kmsKeyArns,
    });
  }
  return permissions;
}
