import { Construct } from 'constructs';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { engineEnvironment } from '../engine-environment';
import { AGENT_CONTAINER } from '../names';
import { takeObjects, useKeys } from '../object-permissions';
import { forbid, type Permission } from '../permissions';
import type { AgentWork } from './agent-work';
import { WorkerTask } from './worker-task';

export interface AgentTaskProps {
  readonly settings: Settings;
  readonly arns: Arns;
  /** Where its objects come from, and what that takes. */
  readonly work: AgentWork;
}

/** Fetches, scans, acts and records: one image and one set of settings, whether a job or events say which objects. */
export class AgentTask extends Construct {
  readonly task: WorkerTask;

  constructor(scope: Construct, id: string, props: AgentTaskProps) {
    super(scope, id);
    const { settings, arns, work } = props;
    const { scratchDir } = settings.agentPaths;
    this.task = new WorkerTask(this, 'Worker', {
      family: work.family,
      roleName: work.roleName,
      log: work.log,
      traced: work.traced,
      worker: AGENT_CONTAINER,
      settings,
      size: settings.agent,
      environment: {
        LAZARET_RESULTS_BUCKET: arns.resultsBucketName,
        LAZARET_QUARANTINE_BUCKET: arns.quarantineBucketName,
        ...engineEnvironment(settings),
        LAZARET_FETCH_BYTES: String(settings.fetchBytes),
        LAZARET_VISIBILITY_SECONDS: String(settings.visibilitySeconds),
        LAZARET_IDLE_SECONDS: String(settings.idleSeconds),
        LAZARET_PROGRESS_SECONDS: String(settings.progressSeconds),
        LAZARET_PROMOTE_STATE_MACHINE_ARN: arns.promoteStateMachine,
        ...work.environment,
      },
      scratch: { path: scratchDir, gib: settings.scratchGiB },
      permissions: [...agentPermissions(settings, arns), ...work.permissions],
    });
    forbid(
      this.task.taskRole,
      '`scanBuckets` may be a pattern that our own buckets match: proof and evidence are still not an agent’s to delete.',
      ['s3:DeleteObject', 's3:DeleteObjectVersion'],
      [arns.results('*'), arns.quarantineObjects],
    );
  }
}

function agentPermissions(settings: Settings, arns: Arns): Permission[] {
  return [
    {
      why: 'Without it S3 answers 403 for what is gone, and a deleted object would be an Error in place of Gone.',
      actions: ['s3:ListBucket', 's3:ListBucketVersions'],
      resources: [...arns.scanBuckets, arns.resultsBucket, arns.quarantineBucket],
    },
    ...takeObjects(arns, arns.scanObjects),
    {
      why: 'Reads the policies, and which contents the owner allowed.',
      actions: ['s3:GetObject'],
      resources: [arns.results('settings/*')],
    },
    {
      why: 'Fetches the definitions that are in force; it can neither publish nor choose them.',
      actions: ['s3:GetObject'],
      resources: [arns.results('definitions/*')],
    },
    {
      why: 'Writes the verdicts that the promotion trusts: the bucket’s policy lets no other role. Reads what it decided before it died.',
      actions: ['s3:PutObject', 's3:GetObject'],
      resources: [arns.results('verdicts/*')],
    },
    ...(settings.eventsEnabled ? promotionPermissions(settings, arns) : []),
    ...useKeys(settings, 'Reads objects under the keys that the owner named.', ['kms:Decrypt']),
  ];
}

/** Without events nothing promotes, and there is no such state machine. */
function promotionPermissions(settings: Settings, arns: Arns): Permission[] {
  return [
    {
      why: 'Has objects of staging buckets promoted.',
      actions: ['states:StartExecution'],
      resources: [arns.promoteStateMachine],
    },
    // an Express machine can't say how an execution went
    ...(settings.promoteType === 'STANDARD'
      ? [
          {
            why: 'Asks how a promotion of the same name went, for any object.',
            actions: ['states:DescribeExecution'],
            resources: [arns.promoteExecutions],
          },
        ]
      : []),
  ];
}
