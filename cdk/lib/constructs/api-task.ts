import type * as ecs from 'aws-cdk-lib/aws-ecs';
import { Construct } from 'constructs';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { apiTaskSize, serverIdleSeconds } from '../config-api';
import { engineEnvironment } from '../engine-environment';
import { API, API_CONTAINER, taskRoleName } from '../names';
import { useKeys } from '../object-permissions';
import { forbid, type Permission } from '../permissions';
import type { ApiUsers } from './api-users';
import { WorkerTask } from './worker-task';

export interface ApiTaskProps {
  readonly settings: Settings;
  readonly arns: Arns;
  readonly users: ApiUsers;
  /** @default - built from this repository */
  readonly image?: ecs.ContainerImage;
}

/** Of the server; `api/src/config.rs` has the same. */
export const API_PORT = 8080;
/** From SIGTERM to the end of listening. The load balancer looks elsewhere by then: tasks are deregistered before they are told to end. */
const GRACE_SECONDS = 10;
/** For what is in hand after that. With the grace within the 120 s that Fargate gives (`stopTimeout`). */
const DRAIN_SECONDS = 100;

/** Receives, scans and answers: the agents' engine behind a server. */
export class ApiTask extends Construct {
  readonly task: WorkerTask;

  constructor(scope: Construct, id: string, props: ApiTaskProps) {
    super(scope, id);
    const { settings, arns, users } = props;
    const { api } = settings;
    const { diskGiB, ...size } = apiTaskSize(api);
    const { userPoolId } = users.pool;
    this.task = new WorkerTask(this, 'Worker', {
      family: API,
      roleName: taskRoleName(API, arns.region),
      worker: API_CONTAINER,
      traced: true,
      folder: 'api',
      ...(props.image === undefined ? {} : { image: props.image }),
      settings,
      size,
      environment: {
        LAZARET_RESULTS_BUCKET: arns.resultsBucketName,
        ...engineEnvironment(settings),
        LAZARET_API_USER_POOL_ID: userPoolId,
        LAZARET_API_CLIENT_IDS: users.client.userPoolClientId,
        LAZARET_API_PROXIES: '1',
        LAZARET_API_MAX_BYTES: String(api.maxBytes),
        LAZARET_API_MEMORY_BYTES: String(api.memoryBytes),
        LAZARET_API_DISK_BYTES: String(api.diskBytes),
        LAZARET_API_SECONDS: String(api.answerSeconds),
        LAZARET_API_ASYNC: api.asynchronous ? '1' : '0',
        LAZARET_API_ASYNC_BYTES: String(api.asyncBytes),
        LAZARET_API_IDLE_SECONDS: String(serverIdleSeconds(api)),
        LAZARET_API_GRACE_SECONDS: String(GRACE_SECONDS),
        LAZARET_API_DRAIN_SECONDS: String(DRAIN_SECONDS),
        // the server knows names, and all; patterns are the role's
        LAZARET_API_SCAN_BUCKETS: api.scanBuckets.some((name) => name.includes('*')) ? '*' : api.scanBuckets.join(','),
        LAZARET_API_UPLOAD_BUCKETS: api.uploadBuckets.join(','),
        ...(settings.fips ? fipsCognito(arns.region, userPoolId) : {}),
        // an emulator's tokens say that AWS made them; its keys are at the emulator
        ...(settings.endpointUrl === undefined
          ? {}
          : {
              LAZARET_API_JWKS_URL: `${settings.endpointUrl}/${userPoolId}/.well-known/jwks.json`,
              LAZARET_API_COGNITO_URL: settings.endpointUrl,
            }),
      },
      scratch: { path: settings.agentPaths.scratchDir, gib: diskGiB },
      permissions: permissions(settings, arns),
    });
    this.task.container.addPortMappings({ containerPort: API_PORT });
    forbid(
      this.task.taskRole,
      'Buckets to scan may be a pattern that our own match: what was found elsewhere, and what is infected, is no caller’s to ask about.',
      ['s3:GetObject', 's3:GetObjectVersion'],
      [...['jobs/*', 'work/*', 'verdicts/*'].map((pattern) => arns.results(pattern)), arns.quarantineObjects],
    );
  }
}

/** The server asks Cognito without the SDK. The issuer in tokens stays the usual one. */
function fipsCognito(region: string, userPoolId: string): Record<string, string> {
  const url = `https://cognito-idp-fips.${region}.amazonaws.com`;
  return { LAZARET_API_COGNITO_URL: url, LAZARET_API_JWKS_URL: `${url}/${userPoolId}/.well-known/jwks.json` };
}

function permissions(settings: Settings, arns: Arns): Permission[] {
  const { uploadBuckets } = settings.api;
  return [
    {
      why: 'Without it S3 answers 403 for what is not there, and a caller would be told of a failure.',
      actions: ['s3:ListBucket', 's3:ListBucketVersions'],
      resources: [...arns.apiScanBuckets, arns.resultsBucket],
    },
    {
      why: 'Reads the policies, the rules, and which contents the owner allowed.',
      actions: ['s3:GetObject'],
      resources: [arns.results('settings/*')],
    },
    {
      why: 'Fetches the definitions that are in force; it can neither publish nor choose them.',
      actions: ['s3:GetObject'],
      resources: [arns.results('definitions/*')],
    },
    {
      why: 'Answers that are fetched later: whichever task is asked finds what another wrote.',
      actions: ['s3:GetObject', 's3:PutObject'],
      resources: [arns.results('api/jobs/*')],
    },
    {
      why: 'Scans any object of the buckets that the owner named; it can neither tag nor move one.',
      actions: ['s3:GetObject', 's3:GetObjectVersion'],
      resources: arns.apiScanObjects,
    },
    ...(uploadBuckets.length === 0
      ? []
      : [
          {
            why: 'Stores clean files, tagged; finds out whether a try whose answer was lost has stored one already.',
            actions: ['s3:PutObject', 's3:PutObjectTagging', 's3:GetObject'],
            resources: arns.apiUploadObjects,
          },
        ]),
    ...useKeys(settings, 'Reads objects, and stores clean files, under the keys that the owner named.', [
      'kms:Decrypt',
      ...(uploadBuckets.length === 0 ? [] : ['kms:GenerateDataKey']),
    ]),
  ];
}
