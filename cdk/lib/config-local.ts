import type { AgentPaths, Architecture, Settings } from './config';
import type { ApiDefaults } from './config-api';

const MIB = 1024 ** 2;

/** What differs in the local cloud: short times, so that a crash is met in seconds, and small packets, so that a small job has several. */
export const LOCAL_SETTINGS = {
  local: true,
  architecture: thisMachine(),
  maxAgents: 4,
  scanSeconds: 120,
  fetchBytes: 256 * MIB,
  heartbeatSeconds: 10,
  visibilitySeconds: 20,
  idleSeconds: 3,
  pollSeconds: 1,
  capacityWaitSeconds: 1,
  progressSeconds: 1,
  definitionsPollSeconds: 1,
  // there is no mirror here: `local/up --definitions` publishes a set
  definitionsEvery: '',
  packetObjects: 250,
  packetBytes: 64 * MIB,
  startupSeconds: 5,
  promoteBuckets: ['*'],
  // the tests call functions while the schedule does
  promoteConcurrency: 0,
  eventAgentsMax: 2,
  activationSettleSeconds: 2,
  stagingLimitSeconds: 5,
  logRetentionDays: 1,
} as const satisfies Partial<Settings>;

/** Loopback has no TLS; answers and ends in seconds. */
export const LOCAL_API = {
  enabled: true,
  internal: true,
  plainHttp: true,
  tasksMax: 2,
  deregistrationSeconds: 30,
  asynchronous: true,
  asyncBytes: 4 * MIB,
  uploadBuckets: ['local-uploads'],
} as const satisfies Partial<ApiDefaults>;

/**
 * Tasks are processes of this machine: where the environment names a path, it is used in place of the image's. The local
 * runner's image list has the last word for each process (a scratch folder of its own, say).
 */
export function localPaths(environment: NodeJS.ProcessEnv, image: AgentPaths): AgentPaths {
  return {
    engine: environment.LAZARET_ENGINE ?? image.engine,
    scratchDir: environment.LAZARET_SCRATCH_DIR ?? image.scratchDir,
  };
}

function thisMachine(): Architecture {
  return process.arch === 'arm64' ? 'arm64' : 'x86_64';
}
