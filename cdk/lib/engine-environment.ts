import type { Settings } from './config';

/** What a program that has an engine is told of it, whoever asks for its verdicts. */
export function engineEnvironment(settings: Settings): Record<string, string> {
  const { engine, scratchDir } = settings.agentPaths;
  return {
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
    // the only place that may be written
    TMPDIR: scratchDir,
  };
}
