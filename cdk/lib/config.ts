import type { Node } from 'constructs';
import { type ApiDefaults, type ApiSettings, AWS_API, checkApi, readApi } from './config-api';
import { LOCAL_API, LOCAL_SETTINGS, localPaths } from './config-local';
import type { RetroScheduleProps } from './constructs/retro-schedule';
import { within } from './patterns';
import { FUNCTIONS_DIR } from './repository';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

export type Architecture = 'arm64' | 'x86_64';
export type PromoteType = 'STANDARD' | 'EXPRESS';

/** Where the tasks run. */
export interface NetworkSettings {
  /**
   * An existing VPC's id; its subnets must reach S3, SQS, Step Functions, ECR and CloudWatch Logs.
   * @default - a VPC of its own: public subnets, no NAT, a gateway endpoint for S3
   */
  readonly vpcId?: string;
  /** The subnets to use in that VPC. */
  readonly subnetIds: readonly string[];
  /**
   * Whether tasks get public addresses. Without one they need a NAT or interface endpoints.
   * @default true - false with `privateSubnets`
   */
  readonly assignPublicIp: boolean;
  /** The VPC of our own has private subnets and interface endpoints, no address and no way out. @default false - endpoints cost by the hour */
  readonly privateSubnets: boolean;
}

/** Sizes of a Fargate task. */
export interface TaskSize {
  /** In units of 1/1024 vCPU. */
  readonly cpu: number;
  readonly memoryMiB: number;
}

/** Everything that an owner may set. Each is a context value of its own name: `-c maxAgents=50`. */
export interface Settings {
  /** The local cloud: no images are built, resources are not retained, times are short. */
  readonly local: boolean;
  /**
   * Buckets that may be scanned and acted on: names, or patterns with `*`. `*` alone is every bucket of the account.
   * The tasks' roles name exactly these. No default on AWS: it is the one decision that is the owner's.
   */
  readonly scanBuckets: readonly string[];
  /**
   * Those of them that may be staging buckets: names, or patterns with `*`. The promotion reads, tags and deletes there and nowhere else.
   * @default - `scanBuckets`
   */
  readonly stagingBuckets: readonly string[];
  /**
   * Buckets that staging buckets may promote to: names, or patterns with `*`. Nothing else may be written to.
   * @default - none: buckets can be protected, and no staging bucket can promote
   */
  readonly promoteBuckets: readonly string[];
  /**
   * KMS keys (ARNs) that objects in those buckets are encrypted with.
   * @default - none: SSE-S3 and the AWS managed key need no grant
   */
  readonly kmsKeyArns: readonly string[];
  /**
   * A KMS key (its ARN, in the deployment's region) for our own buckets, results and quarantine, and for all log groups. Its policy is the owner's.
   * @default - none: S3's own keys, and CloudWatch's
   */
  readonly ownKeyArn?: string;
  /** Of tasks and functions. @default 'arm64' - a fifth cheaper than x86_64 on Fargate and Lambda */
  readonly architecture: Architecture;
  /** The most agents that one job may launch. @default 500 - 1,000 vCPUs: below a grown account's quota */
  readonly maxAgents: number;
  /** The part of the account's Fargate vCPUs that one job may take. @default 0.8 - the rest is left to event agents, the API and others */
  readonly quotaShare: number;
  /** @default 2 vCPU, 8 GB - 1 GB definitions, 2 GiB objects in flight, and as much while new definitions load */
  readonly agent: TaskSize;
  /** @default 0.5 vCPU, 1 GB - a listing waits for S3, not for the CPU */
  readonly crawler: TaskSize;
  /** Scan workers of one agent. @default 2 - one a vCPU: scanning is nothing but CPU */
  readonly scanWorkers: number;
  /** A scan that takes longer is killed. @default 600 - the largest object (2 GiB) at 4 MB/s */
  readonly scanSeconds: number;
  /** Bytes of all objects that an agent holds at once. @default 2 GiB */
  readonly fetchBytes: number;
  /** An agent's disk. Objects too large for memory and unpacked archives lie there. @default 40 */
  readonly scratchGiB: number;
  /** Step Functions gives a crawler up after this long without a beat; its launch counts. @default 300 */
  readonly heartbeatSeconds: number;
  /** How long a packet stays hidden from other agents; they extend it while they work. @default 300 */
  readonly visibilitySeconds: number;
  /** An agent whose queue shows nothing for this long ends itself. @default 60 */
  readonly idleSeconds: number;
  /** The first wait between two looks at a fleet. @default 20 */
  readonly pollSeconds: number;
  /** The first wait after ECS launched no agent at all. @default 60 */
  readonly capacityWaitSeconds: number;
  /** Between two counters that a worker writes for whoever watches. @default 10 */
  readonly progressSeconds: number;
  /** A packet is closed at this many objects. @default 2000 - 8 s of small files; a message holds about 4,000 */
  readonly packetObjects: number;
  /** … or at this many bytes. @default 256 MiB - half a minute of scanning at 8 MB/s */
  readonly packetBytes: number;
  /** An agent's time for an object of no size. @default 0.004 - measured, see workers/model/src/fleet.rs */
  readonly secondsPerObject: number;
  /** An agent's time for a byte. @default 1 / 8,000,000 - measured, as above */
  readonly secondsPerByte: number;
  /** From a task's launch to its first scan. @default 75 - Fargate's start, and 15 s for the definitions */
  readonly startupSeconds: number;
  /** Whether finished jobs refine these three, to between a quarter and four times of what is set here. @default true */
  readonly refineSizing: boolean;
  /** @default 30 */
  readonly logRetentionDays: number;
  /** `tracing`'s filter. @default 'info' */
  readonly rustLog: string;
  /** Between an agent's looks for newer definitions. @default 300 - a small GET each; ClamAV publishes a few times a day */
  readonly definitionsPollSeconds: number;
  /**
   * Definitions that are older prove nothing: what they do not find gets an Error in place of Clean. 0 does not check.
   * @default 604800 - a week
   */
  readonly definitionsMaxAgeSeconds: number;
  /**
   * When new definitions are fetched, tried and published, as EventBridge Scheduler spells it; nothing leaves that to the owner.
   * @default 'rate(6 hours)' - ClamAV publishes a few times a day
   */
  readonly definitionsEvery: string;
  /** A mirror of the owner's own, for freshclam. @default '' - ClamAV's: the task must reach the internet */
  readonly definitionsMirror: string;
  /** Definitions in force that are older raise an alarm. @default 172800 - two days: five before agents give up on them */
  readonly definitionsAlarmSeconds: number;
  /**
   * Verdicts that an agent remembers by content, definitions and settings, so that copies are scanned once. 0 remembers none.
   * @default 100000 - 20 MB of an agent's memory
   */
  readonly verdictCacheEntries: number;
  /** Limits of one scan as JSON, `{"maxMembers":10000}`: see docs/limits.md. @default {} - the engine's own */
  readonly engineLimits: string;
  /**
   * Steps of the jail to do without where the kernel lacks them: `landlock`, with commas between several. See docs/sandbox.md.
   * @default '' - a step that is missing is an error at an agent's start
   */
  readonly jailAllowMissing: string;
  /** Agents that wait for events, always. @default 1 - 0 launches none until there is work, which then waits for two minutes or more */
  readonly eventAgentsMin: number;
  /** … and at the most. @default 12 */
  readonly eventAgentsMax: number;
  /** An event that waits for longer raises an alarm. @default 900 - a redelivery, and the longest scan */
  readonly eventLimitSeconds: number;
  /**
   * Of the state machine that promotes. STANDARD keeps each execution's history for 90 days and copies for up to 15 minutes a try; EXPRESS
   * costs a fiftieth, has its five minutes for everything, and may start an execution twice.
   * @default 'STANDARD'
   */
  readonly promoteType: PromoteType;
  /**
   * Promotions at once, reserved for the function. Below the account's quota (1,000; new accounts may have 10, then 0 reserves nothing for any
   * function of ours).
   * @default 200 - 400 small objects a second; a bulk upload, or copies of minutes each, leave the account 800 for all else
   */
  readonly promoteConcurrency: number;
  /** An object that waits in a staging bucket for longer raises an alarm. @default 3600 */
  readonly stagingLimitSeconds: number;
  /**
   * From the moment that a bucket's events are switched on to the end of the window that its first job scans: S3 takes a while until it
   * sends every event. @default 300
   */
  readonly activationSettleSeconds: number;
  /** Schedules of this deployment; people make more with `lazaret schedule create`. @default - none */
  readonly schedules: readonly RetroScheduleProps[];
  /**
   * Nobody deletes what is in quarantine for so many days, short of a role that may bypass governance. Choose before the first deployment
   * whether it is 0: CloudFormation can't switch Object Lock on or off for a bucket that is there. @default 0 - no Object Lock
   */
  readonly quarantineLockDays: number;
  /** What is in quarantine is deleted after so many days. @default 0 - never */
  readonly quarantineExpiryDays: number;
  /** The CloudWatch dashboard `lazaret-<region>`: $3 a month where the account has three already. @default true */
  readonly dashboard: boolean;
  /** Traces of new objects, promotions, requests to the API and the steps of jobs, for X-Ray. @default false - they cost by the trace */
  readonly traces: boolean;
  /** Of new objects and requests, how many. @default 0.05 */
  readonly traceRate: number;
  /** The collector beside event agents and servers. @default - AWS's OpenTelemetry collector in ECR Public: give a copy of your own where that can't be reached */
  readonly traceImage: string;
  /** An SNS topic that hears of alarms. @default - none */
  readonly alarmTopicArn?: string;
  /** Jobs over what is stored already, and their schedules. @default true */
  readonly jobsEnabled: boolean;
  /** Scanning of objects as they arrive, and promotion from staging buckets. It starts jobs. @default - `jobsEnabled` */
  readonly eventsEnabled: boolean;
  /** On everything that can have some, besides `application`: in `cdk.json` an object, or `team=payments,stage=test`. @default - none */
  readonly tags: Readonly<Record<string, string>>;
  /** Every program and function calls AWS by its FIPS 140 endpoints, and callers of the API need a cipher that is FIPS's. @default false */
  readonly fips: boolean;
  readonly network: NetworkSettings;
  readonly api: ApiSettings;
  /** Holds the functions' `bootstrap`. @default dist/functions; LAZARET_FUNCTIONS_DIR names another */
  readonly functionsDir: string;
  /** Where the agent finds what it needs, in its image or on this machine. */
  readonly agentPaths: AgentPaths;
  /** Set in the functions only where AWS is not AWS. */
  readonly endpointUrl?: string;
}

export interface AgentPaths {
  readonly engine: string;
  readonly scratchDir: string;
}

/** What is left to the owner, or follows from it. */
type Chosen = 'scanBuckets' | 'stagingBuckets' | 'api';
type Defaults = Omit<Settings, Chosen> & { readonly api: ApiDefaults };

/** The defaults on AWS, all but the buckets. */
export const AWS_SETTINGS: Defaults = {
  local: false,
  promoteBuckets: [],
  kmsKeyArns: [],
  architecture: 'arm64',
  maxAgents: 500,
  quotaShare: 0.8,
  agent: { cpu: 2048, memoryMiB: 8192 },
  crawler: { cpu: 512, memoryMiB: 1024 },
  scanWorkers: 2,
  scanSeconds: 600,
  fetchBytes: 2 * GIB,
  scratchGiB: 40,
  heartbeatSeconds: 300,
  visibilitySeconds: 300,
  idleSeconds: 60,
  pollSeconds: 20,
  capacityWaitSeconds: 60,
  progressSeconds: 10,
  packetObjects: 2000,
  packetBytes: 256 * MIB,
  secondsPerObject: 0.004,
  secondsPerByte: 1 / 8_000_000,
  startupSeconds: 75,
  refineSizing: true,
  logRetentionDays: 30,
  rustLog: 'info',
  definitionsPollSeconds: 300,
  definitionsMaxAgeSeconds: 7 * 24 * 3600,
  definitionsEvery: 'rate(6 hours)',
  definitionsMirror: '',
  definitionsAlarmSeconds: 2 * 24 * 3600,
  verdictCacheEntries: 100_000,
  engineLimits: '{}',
  jailAllowMissing: '',
  eventAgentsMin: 1,
  eventAgentsMax: 12,
  eventLimitSeconds: 900,
  promoteType: 'STANDARD',
  promoteConcurrency: 200,
  stagingLimitSeconds: 3600,
  activationSettleSeconds: 300,
  schedules: [],
  quarantineLockDays: 0,
  quarantineExpiryDays: 0,
  dashboard: true,
  traces: false,
  traceRate: 0.05,
  traceImage: 'public.ecr.aws/aws-observability/aws-otel-collector:v0.40.0',
  jobsEnabled: true,
  eventsEnabled: true,
  tags: {},
  fips: false,
  network: { subnetIds: [], assignPublicIp: true, privateSubnets: false },
  api: AWS_API,
  functionsDir: FUNCTIONS_DIR,
  // as workers/agent/Dockerfile lays them out
  agentPaths: {
    engine: '/usr/local/bin/lazaret-engine',
    scratchDir: '/scratch',
  },
};

/** Reads the settings from the context (`-c name=value`, `cdk.json`) and the environment; `overrides` are those of one region alone. */
export function readSettings(
  node: Node,
  environment: NodeJS.ProcessEnv,
  overrides: Readonly<Record<string, unknown>> = {},
): Settings {
  const context = new ContextReader(node, overrides);
  const local = environment.LAZARET_LOCAL === '1' || context.flag('local', false);
  const defaults: Defaults = local
    ? {
        ...AWS_SETTINGS,
        ...LOCAL_SETTINGS,
        agentPaths: localPaths(environment, AWS_SETTINGS.agentPaths),
        api: { ...AWS_API, ...LOCAL_API },
      }
    : AWS_SETTINGS;
  const scanBuckets = context.list('scanBuckets', local ? ['*'] : []);
  if (scanBuckets.length === 0) {
    throw new Error(
      'scanBuckets is not set: say which buckets may be scanned, `-c scanBuckets=invoices,team-*`, or `*` for all',
    );
  }
  const vpcId = context.text('vpcId', '');
  const subnetIds = context.list('subnetIds', []);
  if ((vpcId === '') !== (subnetIds.length === 0)) {
    throw new Error('vpcId and subnetIds belong together: set both, or neither for a VPC of its own');
  }
  const privateSubnets = context.flag('privateSubnets', defaults.network.privateSubnets);
  const ownKeyArn = context.text('ownKeyArn', '');
  const alarmTopicArn = context.text('alarmTopicArn', '');
  const jobsEnabled = context.flag('jobsEnabled', defaults.jobsEnabled);
  const endpointUrl = local ? environment.AWS_ENDPOINT_URL : undefined;
  const settings: Settings = {
    ...defaults,
    scanBuckets,
    stagingBuckets: context.list('stagingBuckets', scanBuckets),
    promoteBuckets: context.list('promoteBuckets', defaults.promoteBuckets),
    kmsKeyArns: context.list('kmsKeyArns', defaults.kmsKeyArns),
    architecture: context.oneOf('architecture', ['arm64', 'x86_64'], defaults.architecture),
    maxAgents: context.number('maxAgents', defaults.maxAgents),
    quotaShare: context.fraction('quotaShare', defaults.quotaShare),
    agent: {
      cpu: context.number('agentCpu', defaults.agent.cpu),
      memoryMiB: context.number('agentMemoryMiB', defaults.agent.memoryMiB),
    },
    crawler: {
      cpu: context.number('crawlerCpu', defaults.crawler.cpu),
      memoryMiB: context.number('crawlerMemoryMiB', defaults.crawler.memoryMiB),
    },
    scanWorkers: context.number('scanWorkers', defaults.scanWorkers),
    scanSeconds: context.number('scanSeconds', defaults.scanSeconds),
    fetchBytes: context.number('fetchBytes', defaults.fetchBytes),
    scratchGiB: context.number('scratchGiB', defaults.scratchGiB),
    heartbeatSeconds: context.number('heartbeatSeconds', defaults.heartbeatSeconds),
    visibilitySeconds: context.number('visibilitySeconds', defaults.visibilitySeconds),
    idleSeconds: context.number('idleSeconds', defaults.idleSeconds),
    pollSeconds: context.number('pollSeconds', defaults.pollSeconds),
    capacityWaitSeconds: context.number('capacityWaitSeconds', defaults.capacityWaitSeconds),
    progressSeconds: context.number('progressSeconds', defaults.progressSeconds),
    packetObjects: context.number('packetObjects', defaults.packetObjects),
    packetBytes: context.number('packetBytes', defaults.packetBytes),
    secondsPerObject: context.fraction('secondsPerObject', defaults.secondsPerObject),
    secondsPerByte: context.fraction('secondsPerByte', defaults.secondsPerByte),
    startupSeconds: context.fraction('startupSeconds', defaults.startupSeconds),
    refineSizing: context.flag('refineSizing', defaults.refineSizing),
    logRetentionDays: context.number('logRetentionDays', defaults.logRetentionDays),
    rustLog: context.text('rustLog', defaults.rustLog),
    definitionsPollSeconds: context.number('definitionsPollSeconds', defaults.definitionsPollSeconds),
    definitionsMaxAgeSeconds: context.numberOrZero('definitionsMaxAgeSeconds', defaults.definitionsMaxAgeSeconds),
    definitionsEvery: context.text('definitionsEvery', defaults.definitionsEvery),
    definitionsMirror: context.text('definitionsMirror', defaults.definitionsMirror),
    definitionsAlarmSeconds: context.number('definitionsAlarmSeconds', defaults.definitionsAlarmSeconds),
    verdictCacheEntries: context.numberOrZero('verdictCacheEntries', defaults.verdictCacheEntries),
    engineLimits: context.text('engineLimits', defaults.engineLimits),
    jailAllowMissing: context.text('jailAllowMissing', defaults.jailAllowMissing),
    eventAgentsMin: context.numberOrZero('eventAgentsMin', defaults.eventAgentsMin),
    eventAgentsMax: context.number('eventAgentsMax', defaults.eventAgentsMax),
    eventLimitSeconds: context.number('eventLimitSeconds', defaults.eventLimitSeconds),
    promoteType: context.oneOf('promoteType', ['STANDARD', 'EXPRESS'], defaults.promoteType),
    promoteConcurrency: context.numberOrZero('promoteConcurrency', defaults.promoteConcurrency),
    stagingLimitSeconds: context.number('stagingLimitSeconds', defaults.stagingLimitSeconds),
    activationSettleSeconds: context.number('activationSettleSeconds', defaults.activationSettleSeconds),
    schedules: context.objects<RetroScheduleProps>('schedules', defaults.schedules),
    quarantineLockDays: context.numberOrZero('quarantineLockDays', defaults.quarantineLockDays),
    quarantineExpiryDays: context.numberOrZero('quarantineExpiryDays', defaults.quarantineExpiryDays),
    dashboard: context.flag('dashboard', defaults.dashboard),
    ...(ownKeyArn === '' ? {} : { ownKeyArn }),
    traces: context.flag('traces', defaults.traces),
    traceRate: context.fraction('traceRate', defaults.traceRate),
    traceImage: context.text('traceImage', defaults.traceImage),
    ...(alarmTopicArn === '' ? {} : { alarmTopicArn }),
    jobsEnabled,
    eventsEnabled: context.flag('eventsEnabled', jobsEnabled && defaults.eventsEnabled),
    tags: context.pairs('tags', defaults.tags),
    fips: context.flag('fips', defaults.fips),
    network: {
      ...(vpcId === '' ? {} : { vpcId }),
      subnetIds,
      assignPublicIp: context.flag('assignPublicIp', !privateSubnets && defaults.network.assignPublicIp),
      privateSubnets,
    },
    api: readApi(context, defaults.api, scanBuckets),
    functionsDir: environment.LAZARET_FUNCTIONS_DIR ?? defaults.functionsDir,
    ...(endpointUrl === undefined ? {} : { endpointUrl }),
  };
  check(settings);
  return settings;
}

/** How often a crawler beats: five times before Step Functions gives it up. */
export function beatSeconds(settings: Settings): number {
  return Math.max(1, Math.floor(settings.heartbeatSeconds / 5));
}

function check(settings: Settings): void {
  checkNetwork(settings);
  if (settings.eventsEnabled && !settings.jobsEnabled) {
    throw new Error(
      'eventsEnabled needs jobsEnabled: a bucket that is protected has what it holds already scanned by a job',
    );
  }
  if (!settings.jobsEnabled && !settings.api.enabled) {
    throw new Error('nothing would be deployed: set jobsEnabled or apiEnabled');
  }
  if (settings.schedules.length > 0 && !settings.jobsEnabled) {
    throw new Error('schedules need jobsEnabled: they start jobs');
  }
  for (const name of ['scanBuckets', 'stagingBuckets', 'promoteBuckets'] as const) {
    for (const bucket of settings[name]) {
      if (!/^[a-z0-9.*-]{1,63}$/.test(bucket)) {
        throw new Error(`${name}: \`${bucket}\` is not a bucket's name or a pattern with \`*\``);
      }
    }
  }
  for (const bucket of settings.stagingBuckets) {
    if (!settings.scanBuckets.some((scanned) => within(bucket, scanned))) {
      throw new Error(`stagingBuckets: \`${bucket}\` is not within scanBuckets: nothing there would be scanned`);
    }
  }
  if (settings.eventAgentsMin > settings.eventAgentsMax) {
    throw new Error(`eventAgentsMin is ${settings.eventAgentsMin}, above eventAgentsMax, ${settings.eventAgentsMax}`);
  }
  const { quarantineLockDays, quarantineExpiryDays } = settings;
  if (quarantineExpiryDays !== 0 && quarantineExpiryDays < quarantineLockDays) {
    throw new Error(
      `quarantineExpiryDays is ${quarantineExpiryDays}, below quarantineLockDays, ${quarantineLockDays}: nothing may be deleted by then`,
    );
  }
  if (!settings.local && settings.heartbeatSeconds < 120) {
    throw new Error('heartbeatSeconds is below 120: Fargate alone takes up to a minute to start a crawler');
  }
  if (settings.quotaShare > 1) {
    throw new Error(`quotaShare is ${settings.quotaShare}; give a part of 1, such as 0.8`);
  }
  if (settings.scratchGiB < 21 || settings.scratchGiB > 200) {
    throw new Error(`scratchGiB is ${settings.scratchGiB}; Fargate gives 21 to 200`);
  }
  // SQS: ChangeMessageVisibility reaches 12 hours from the receive
  if (settings.visibilitySeconds < 3 || settings.visibilitySeconds > 12 * 3600) {
    throw new Error(`visibilitySeconds is ${settings.visibilitySeconds}; give 3 to 43200`);
  }
  checkApi(settings.api, settings.local, settings.network.vpcId === undefined ? 'own VPC' : 'existing VPC');
}

/** Throws where a key is not one that the buckets and log groups of a region can have. */
export function checkOwnKey({ ownKeyArn }: Settings, region: string): void {
  if (
    ownKeyArn !== undefined &&
    !new RegExp(`^arn:[a-z-]+:kms:${region}:\\d{12}:key/(mrk-)?[0-9a-f-]{32,36}$`).test(ownKeyArn)
  ) {
    throw new Error(`ownKeyArn: \`${ownKeyArn}\` is not the ARN of a KMS key in ${region}`);
  }
}

/** What an image's URI says if it lies in a private ECR; `undefined` for any other. `reference` is a tag, or a digest `sha256:…`. */
export function inEcr(
  uri: string,
):
  | { readonly account: string; readonly region: string; readonly repository: string; readonly reference: string }
  | undefined {
  const found =
    /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([a-z0-9._/-]+)(?::([\w.-]+)|@(sha256:[0-9a-f]{64}))$/.exec(
      uri,
    );
  if (found === null) {
    return undefined;
  }
  const [, account = '', region = '', repository = '', tag, digest = ''] = found;
  return { account, region, repository, reference: tag ?? digest };
}

/** Throws where tasks in private subnets could not pull the collector's image: their endpoints are those of their region's ECR. */
export function checkTraceImage({ network, traces, traceImage }: Settings, region: string): void {
  if (traces && network.privateSubnets && inEcr(traceImage)?.region !== region) {
    throw new Error(
      `privateSubnets have no way to the collector’s image \`${traceImage}\`: copy it to an ECR of yours and name it there (traceImage: ACCOUNT.dkr.ecr.${region}.amazonaws.com/NAME:TAG), or leave traces off`,
    );
  }
}

function checkNetwork({ network, definitionsEvery, definitionsMirror, fips, local }: Settings): void {
  if (fips && local) {
    throw new Error('fips: the local cloud has one endpoint, and it is no FIPS one');
  }
  if (!network.privateSubnets) {
    return;
  }
  if (network.vpcId !== undefined || network.assignPublicIp) {
    throw new Error('privateSubnets are those of a VPC of our own: set neither vpcId nor assignPublicIp');
  }
  if (definitionsEvery !== '' && definitionsMirror === '') {
    throw new Error(
      'privateSubnets have no way to ClamAV’s mirror: name one in the VPC’s reach (definitionsMirror), or set definitionsEvery to nothing and publish from elsewhere',
    );
  }
  if (fips) {
    // AWS GovCloud user guide, AWS Step Functions: "US Commercial Regions only supports AWS PrivateLink for Non-FIPS endpoints"
    throw new Error(
      'privateSubnets and fips exclude each other: Step Functions has no FIPS endpoint that a VPC can have',
    );
  }
}

/** Context values are strings from `-c` and anything from `cdk.json`; an error names the setting. */
export class ContextReader {
  constructor(
    private readonly node: Node,
    private readonly overrides: Readonly<Record<string, unknown>> = {},
  ) {}

  private value(name: string): unknown {
    return this.overrides[name] ?? this.node.tryGetContext(name);
  }

  text(name: string, fallback: string): string {
    const value = this.value(name);
    return value === undefined || value === null ? fallback : String(value);
  }

  oneOf<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
    const value = this.text(name, fallback);
    const found = allowed.find((one) => one === value);
    if (found === undefined) {
      throw new Error(`${name} is \`${value}\`; give one of ${allowed.join(', ')}`);
    }
    return found;
  }

  flag(name: string, fallback: boolean): boolean {
    return this.oneOf(name, ['true', 'false'], fallback ? 'true' : 'false') === 'true';
  }

  /** A whole number above zero. */
  number(name: string, fallback: number): number {
    const value = this.fraction(name, fallback);
    if (!Number.isSafeInteger(value)) {
      throw new Error(`${name} is ${value}; give a whole number`);
    }
    return value;
  }

  /** A whole number above zero, or zero itself. */
  numberOrZero(name: string, fallback: number): number {
    return this.text(name, String(fallback)).trim() === '0' ? 0 : this.number(name, fallback);
  }

  /** A number above zero. */
  fraction(name: string, fallback: number): number {
    const value = Number(this.text(name, String(fallback)));
    if (!(Number.isFinite(value) && value > 0)) {
      throw new Error(`${name} is \`${this.text(name, '')}\`; give a number above zero`);
    }
    return value;
  }

  list(name: string, fallback: readonly string[]): readonly string[] {
    const value = this.value(name);
    if (value === undefined || value === null) {
      return fallback;
    }
    const parts = Array.isArray(value) ? value.map(String) : String(value).split(',');
    return parts.map((part) => part.trim()).filter((part) => part !== '');
  }

  /** Names and values: an object in `cdk.json`, or `name=value` with commas between. */
  pairs(name: string, fallback: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const value = this.value(name);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)]));
    }
    if (value === undefined || value === null) {
      return fallback;
    }
    return Object.fromEntries(
      this.list(name, []).map((pair) => {
        const equals = pair.indexOf('=');
        if (equals < 1) {
          throw new Error(`${name}: \`${pair}\` is no pair; give name=value`);
        }
        return [pair.slice(0, equals), pair.slice(equals + 1)];
      }),
    );
  }

  /** A list of objects, from `cdk.json` or as JSON. */
  objects<T>(name: string, fallback: readonly T[]): readonly T[] {
    const value = this.value(name);
    if (value === undefined || value === null) {
      return fallback;
    }
    try {
      const list: unknown = typeof value === 'string' ? JSON.parse(value) : value;
      if (Array.isArray(list)) {
        return list as T[];
      }
    } catch {
      // said below
    }
    throw new Error(`${name} is no list: give JSON such as [{"scheduleName":"nightly",…}]`);
  }
}
