import type { ContextReader, TaskSize } from './config';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** The verdict API, `LazaretApi`. Each is a context value of the name in its first line: `-c apiTasksMax=6`. */
export interface ApiSettings {
  /** `apiEnabled`: whether the API is deployed at all. Publish definitions before: a task without any does not start. @default false */
  readonly enabled: boolean;
  /** `apiInternal`: whether the load balancer has private addresses alone. @default false */
  readonly internal: boolean;
  /** `apiCertificateArn`: of ACM, in the deployment's region; TLS ends at the load balancer. No default: without one nothing is deployed. */
  readonly certificateArn?: string;
  /** `apiPlainHttp`: does without TLS, on port 80, for an internal load balancer alone: passwords, tokens and files travel as they are. @default false */
  readonly plainHttp: boolean;
  /** `apiAllowedCidrs`: from where the load balancer may be called. @default - anywhere, for an internal one the private networks */
  readonly allowedCidrs: readonly string[];
  /** `apiSubnetIds`: of the load balancer, in `vpcId`, two zones or more; public ones unless it is internal. @default - those of the tasks */
  readonly subnetIds: readonly string[];
  /** `apiWaf`: the ARN of a web ACL of the owner's, `managed` for one of ours, `none`. @default 'none' */
  readonly waf: string;
  /** `apiTasksMin`, at any time. @default 1 */
  readonly tasksMin: number;
  /** `apiTasksMax`. @default 3 */
  readonly tasksMax: number;
  /** `apiCpu`, in 1/1024 vCPU. The memory follows from it and from `memoryBytes`. @default 2048 */
  readonly cpu: number;
  /** `apiCpuPercent`: the service is scaled to this. @default 60 - a task more takes two minutes to help */
  readonly cpuPercent: number;
  /**
   * `apiRequestsPerTask`: a minute, the service is scaled to this, whichever asks for more tasks.
   * @default 3000 - small files take a task 0.004 s each, an exchange of HTTP on top: half of what it can do
   */
  readonly requestsPerTask: number;
  /** `apiMaxBytes`: of a request's body, and of an object that is scanned where it lies. @default 2 GiB */
  readonly maxBytes: number;
  /** `apiMemoryBytes`: of all files that a task holds in memory. The task gets as much more. @default 256 MiB */
  readonly memoryBytes: number;
  /** `apiDiskBytes`: of all files that a task holds on its disk. The task gets as much more. @default 8 GiB - four of the largest */
  readonly diskBytes: number;
  /** `apiAnswerSeconds`: from a body's last byte to the answer, waiting included. @default 3600 - what existing clients wait */
  readonly answerSeconds: number;
  /**
   * `apiDeregistrationSeconds`: how long the load balancer leaves a task that is to go with what it has in hand; only then is it told to end.
   * A deployment takes that much longer. @default 900 - 2 GiB over 20 Mbit/s, or the longest scan
   */
  readonly deregistrationSeconds: number;
  /** `apiAsync`: whether a request that prefers it may be answered by 202. @default false - existing clients send the wish, and wait for 200 */
  readonly asynchronous: boolean;
  /** `apiAsyncBytes`: smaller bodies are always answered at once. @default 64 MiB */
  readonly asyncBytes: number;
  /** `apiScanBuckets`: whose objects callers may have scanned; names, or patterns with `*`. @default - `scanBuckets` */
  readonly scanBuckets: readonly string[];
  /** `apiUploadBuckets`: names of the buckets where callers may have clean files stored. @default - none */
  readonly uploadBuckets: readonly string[];
  /** `apiSlowSeconds`: answers of which one in a hundred takes longer raise an alarm. @default 60 */
  readonly slowSeconds: number;
}

export type ApiDefaults = Omit<ApiSettings, 'scanBuckets'>;

export const AWS_API: ApiDefaults = {
  enabled: false,
  internal: false,
  plainHttp: false,
  allowedCidrs: [],
  subnetIds: [],
  waf: 'none',
  tasksMin: 1,
  tasksMax: 3,
  cpu: 2048,
  cpuPercent: 60,
  requestsPerTask: 3000,
  maxBytes: 2 * GIB,
  memoryBytes: 256 * MIB,
  diskBytes: 8 * GIB,
  answerSeconds: 3600,
  deregistrationSeconds: 900,
  asynchronous: false,
  asyncBytes: 64 * MIB,
  uploadBuckets: [],
  slowSeconds: 60,
};

export function readApi(context: ContextReader, defaults: ApiDefaults, scanBuckets: readonly string[]): ApiSettings {
  const certificateArn = context.text('apiCertificateArn', '');
  return {
    enabled: context.flag('apiEnabled', defaults.enabled),
    internal: context.flag('apiInternal', defaults.internal),
    ...(certificateArn === '' ? {} : { certificateArn }),
    plainHttp: context.flag('apiPlainHttp', defaults.plainHttp),
    allowedCidrs: context.list('apiAllowedCidrs', defaults.allowedCidrs),
    subnetIds: context.list('apiSubnetIds', defaults.subnetIds),
    waf: context.text('apiWaf', defaults.waf),
    tasksMin: context.number('apiTasksMin', defaults.tasksMin),
    tasksMax: context.number('apiTasksMax', defaults.tasksMax),
    cpu: context.number('apiCpu', defaults.cpu),
    cpuPercent: context.number('apiCpuPercent', defaults.cpuPercent),
    requestsPerTask: context.number('apiRequestsPerTask', defaults.requestsPerTask),
    maxBytes: context.number('apiMaxBytes', defaults.maxBytes),
    memoryBytes: context.numberOrZero('apiMemoryBytes', defaults.memoryBytes),
    diskBytes: context.number('apiDiskBytes', defaults.diskBytes),
    answerSeconds: context.number('apiAnswerSeconds', defaults.answerSeconds),
    deregistrationSeconds: context.number('apiDeregistrationSeconds', defaults.deregistrationSeconds),
    asynchronous: context.flag('apiAsync', defaults.asynchronous),
    asyncBytes: context.numberOrZero('apiAsyncBytes', defaults.asyncBytes),
    scanBuckets: context.list('apiScanBuckets', scanBuckets),
    uploadBuckets: context.list('apiUploadBuckets', defaults.uploadBuckets),
    slowSeconds: context.number('apiSlowSeconds', defaults.slowSeconds),
  };
}

/** What the programs, an engine and two sets of definitions take, new ones being loaded while the old are in force. */
const TASK_GIB = 6;
/** What every task has: for the image, and for what the engine unpacks. */
const TASK_DISK_GIB = 20;

/** A task that holds as many files as it may, and still has what it needs besides. */
export function apiTaskSize(api: ApiSettings): TaskSize & { readonly diskGiB: number } {
  return {
    cpu: api.cpu,
    memoryMiB: (TASK_GIB + Math.ceil(api.memoryBytes / GIB)) * 1024,
    // Fargate's own 20 can't be asked for: what is asked for starts at 21
    diskGiB: TASK_DISK_GIB + Math.ceil(api.diskBytes / GIB),
  };
}

/** Fargate's: the least and the most GiB for so much CPU. */
const FARGATE_GIB: Readonly<Record<number, readonly [number, number]>> = {
  1024: [2, 8],
  2048: [4, 16],
  4096: [8, 30],
};

/** Of S3: a larger object goes in parts. */
const LARGEST_PUT_BYTES = 5 * 1024 ** 3;

/** ALB's longest idle time-out. */
const LONGEST_IDLE_SECONDS = 4000;
/** ALB's longest deregistration delay. */
const LONGEST_DEREGISTRATION_SECONDS = 3600;
/** Between the longest answer and the load balancer's patience, and between that and the server's own. */
const MARGIN_SECONDS = 30;

/** How long nothing may pass over a connection: while a scan goes on nothing does, so longer than the longest answer takes. */
export function balancerIdleSeconds(api: ApiSettings): number {
  return api.answerSeconds + MARGIN_SECONDS;
}

/** The server keeps an idle connection for longer than the load balancer, so that it is not closed just as a request is sent over it. */
export function serverIdleSeconds(api: ApiSettings): number {
  return balancerIdleSeconds(api) + MARGIN_SECONDS;
}

/** Throws if a deployment can't be what was meant. */
export function checkApi(api: ApiSettings, local: boolean, tasksIn: 'own VPC' | 'existing VPC'): void {
  if (!api.enabled) {
    return;
  }
  if (api.certificateArn === undefined && !api.plainHttp) {
    throw new Error(
      'apiCertificateArn is not set: the API takes passwords and files, so it wants TLS. Give a certificate’s ARN; an internal one may do without by apiPlainHttp=true',
    );
  }
  if (api.certificateArn !== undefined && api.plainHttp) {
    throw new Error('apiCertificateArn and apiPlainHttp=true contradict each other: set one of them');
  }
  if (
    api.certificateArn !== undefined &&
    !/^arn:[a-z-]+:acm:[a-z0-9-]+:\d{12}:certificate\/./.test(api.certificateArn)
  ) {
    throw new Error(`apiCertificateArn: \`${api.certificateArn}\` is not the ARN of a certificate`);
  }
  if (api.plainHttp && !api.internal && !local) {
    throw new Error('apiPlainHttp=true is for an internal load balancer alone: set apiInternal=true, or a certificate');
  }
  if (api.subnetIds.length === 1 || (api.subnetIds.length > 0 && tasksIn === 'own VPC')) {
    throw new Error('apiSubnetIds are two or more, of the VPC that vpcId names');
  }
  if (
    api.waf !== 'none' &&
    api.waf !== 'managed' &&
    !/^arn:[a-z-]+:wafv2:[^:]+:\d{12}:regional\/webacl\/./.test(api.waf)
  ) {
    throw new Error(`apiWaf is \`${api.waf}\`; give none, managed, or the ARN of a regional web ACL`);
  }
  if (api.tasksMin > api.tasksMax) {
    throw new Error(`apiTasksMin is ${api.tasksMin}, above apiTasksMax, ${api.tasksMax}`);
  }
  if (api.cpuPercent > 100) {
    throw new Error(`apiCpuPercent is ${api.cpuPercent}; give 1 to 100`);
  }
  if (api.maxBytes > api.diskBytes) {
    throw new Error(
      `apiDiskBytes is ${api.diskBytes}, below apiMaxBytes, ${api.maxBytes}: the largest file has no place`,
    );
  }
  if (api.uploadBuckets.length > 0 && api.maxBytes > LARGEST_PUT_BYTES) {
    throw new Error(
      `apiMaxBytes is ${api.maxBytes}; with apiUploadBuckets it is ${LARGEST_PUT_BYTES} at most, the largest object that S3 takes in one PUT`,
    );
  }
  checkSize(api);
  if (balancerIdleSeconds(api) > LONGEST_IDLE_SECONDS) {
    throw new Error(
      `apiAnswerSeconds is ${api.answerSeconds}; the load balancer waits for ${LONGEST_IDLE_SECONDS - MARGIN_SECONDS} at most`,
    );
  }
  if (api.deregistrationSeconds > LONGEST_DEREGISTRATION_SECONDS) {
    throw new Error(
      `apiDeregistrationSeconds is ${api.deregistrationSeconds}; the load balancer knows ${LONGEST_DEREGISTRATION_SECONDS} at most`,
    );
  }
  checkBuckets(api);
}

function checkSize(api: ApiSettings): void {
  const range = FARGATE_GIB[api.cpu];
  if (range === undefined) {
    throw new Error(`apiCpu is ${api.cpu}; give ${Object.keys(FARGATE_GIB).join(', ')}`);
  }
  const { memoryMiB, diskGiB } = apiTaskSize(api);
  const [least, most] = range;
  if (memoryMiB < least * 1024 || memoryMiB > most * 1024) {
    throw new Error(
      `apiMemoryBytes is ${api.memoryBytes}: with it a task needs ${memoryMiB / 1024} GiB, and with apiCpu ${api.cpu} it has ${least} to ${most}`,
    );
  }
  if (diskGiB > 200) {
    throw new Error(`apiDiskBytes is ${api.diskBytes}: with it a task needs ${diskGiB} GiB, and Fargate gives 200`);
  }
}

function checkBuckets(api: ApiSettings): void {
  for (const bucket of api.scanBuckets) {
    if (!/^[a-z0-9.*-]{1,63}$/.test(bucket)) {
      throw new Error(`apiScanBuckets: \`${bucket}\` is not a bucket's name or a pattern with \`*\``);
    }
  }
  if (api.scanBuckets.length === 0) {
    throw new Error('apiScanBuckets is empty: leave it out for all of scanBuckets');
  }
  for (const bucket of api.uploadBuckets) {
    if (!/^[a-z0-9.-]{3,63}$/.test(bucket)) {
      throw new Error(`apiUploadBuckets: \`${bucket}\` is not a bucket's name`);
    }
    if (/^lazaret-(results|quarantine)-/.test(bucket)) {
      throw new Error(`apiUploadBuckets: \`${bucket}\` is Lazaret's own: nobody else writes there`);
    }
  }
}
