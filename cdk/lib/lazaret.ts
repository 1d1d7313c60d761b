import { type App, CliCredentialsStackSynthesizer, type Environment, type StackProps, Tags } from 'aws-cdk-lib';
import { checkOwnKey, checkTraceImage, readSettings, type Settings } from './config';
import { checkFips } from './config-fips';
import { readRegions } from './config-regions';
import { ApiStack } from './stacks/api-stack';
import { DefinitionsStack } from './stacks/definitions-stack';
import { EventsStack } from './stacks/events-stack';
import { JobsStack } from './stacks/jobs-stack';
import { NetworkStack } from './stacks/network-stack';
import { OperationStack } from './stacks/operation-stack';
import { SchedulesStack } from './stacks/schedules-stack';
import { StorageStack } from './stacks/storage-stack';

/** Where file assets of a local deployment go; `local/up` makes it. It stands in for `cdk bootstrap`. */
export const LOCAL_ASSETS_BUCKET = 'lazaret-local-assets';

/** The stacks of one region. */
export interface Lazaret {
  readonly storage: StorageStack;
  readonly network: NetworkStack;
  readonly definitions: DefinitionsStack;
  /** Where the owner has jobs. */
  readonly jobs: JobsStack | undefined;
  readonly schedules: SchedulesStack | undefined;
  /** Where the owner has objects scanned as they arrive. */
  readonly events: EventsStack | undefined;
  /** Where the owner has the API. */
  readonly api: ApiStack | undefined;
  /** Not in the local cloud, which shows nothing of it. */
  readonly operation: OperationStack | undefined;
}

/** The whole app: one deployment in the region of the credentials, or one in each region of a list. */
export function defineRegions(app: App, environment: NodeJS.ProcessEnv, env: Required<Environment>): Lazaret[] {
  const regions = readRegions(app.node);
  if (regions === undefined) {
    return [defineLazaret(app, readSettings(app.node, environment), env)];
  }
  return regions.map(({ region, overrides }) => {
    const settings = readSettings(app.node, environment, overrides);
    if (settings.local) {
      throw new Error('regions: the local cloud has one');
    }
    return defineLazaret(app, settings, { account: env.account, region }, `-${region}`);
  });
}

/**
 * One deployment: state apart from what may be destroyed at any time. With several in one app, `suffix` tells their ids apart; CloudFormation knows
 * the stacks of each region by the same names, so that a deployment in one region is still the same one when others join it.
 */
export function defineLazaret(app: App, settings: Settings, env: Required<Environment>, suffix = ''): Lazaret {
  checkFips(settings, env.region);
  checkOwnKey(settings, env.region);
  checkTraceImage(settings, env.region);
  const common = (name: string, description: string): StackProps => ({
    env,
    stackName: name,
    description: `Lazaret: ${description}`,
    analyticsReporting: false,
    // a local cloud has no roles to assume and nothing to bootstrap
    ...(settings.local
      ? { synthesizer: new CliCredentialsStackSynthesizer({ fileAssetsBucketName: LOCAL_ASSETS_BUCKET }) }
      : {}),
  });
  const storage = new StorageStack(app, `LazaretStorage${suffix}`, {
    ...common('LazaretStorage', 'results and quarantine'),
    settings,
    terminationProtection: !settings.local,
  });
  const place = new NetworkStack(app, `LazaretNetwork${suffix}`, {
    ...common('LazaretNetwork', 'where all tasks run'),
    settings,
  });
  const jobs = settings.jobsEnabled
    ? new JobsStack(app, `LazaretJobs${suffix}`, {
        ...common('LazaretJobs', 'the retro job, its tasks and functions'),
        settings,
        place,
      })
    : undefined;
  const schedules = settings.jobsEnabled
    ? new SchedulesStack(app, `LazaretSchedules${suffix}`, { ...common('LazaretSchedules', 'jobs in time'), settings })
    : undefined;
  const events =
    jobs !== undefined && settings.eventsEnabled
      ? new EventsStack(app, `LazaretEvents${suffix}`, {
          ...common('LazaretEvents', 'scanning of objects as they arrive, and promotion from staging buckets'),
          settings,
          place,
          jobs,
        })
      : undefined;
  const definitions = new DefinitionsStack(app, `LazaretDefinitions${suffix}`, {
    ...common('LazaretDefinitions', 'fresh definitions'),
    settings,
    place,
  });
  const api =
    storage.api === undefined
      ? undefined
      : new ApiStack(app, `LazaretApi${suffix}`, {
          ...common('LazaretApi', 'verdicts over HTTP, before anything is stored'),
          settings,
          place,
          kept: storage.api,
        });

  for (const stack of [jobs, events, definitions, api]) {
    stack?.addStackDependency(storage);
    stack?.addStackDependency(place);
  }
  if (jobs !== undefined) {
    // both start jobs
    events?.addStackDependency(jobs);
    schedules?.addStackDependency(jobs);
  }
  const watched = [jobs, events, schedules, definitions, api].filter((stack) => stack !== undefined);
  const operation = settings.local
    ? undefined
    : new OperationStack(app, `LazaretOperation${suffix}`, {
        ...common('LazaretOperation', 'dashboard, and questions to the logs'),
        settings,
        watched,
        api,
      });
  const all = { storage, network: place, definitions, jobs, schedules, events, api, operation };
  for (const stack of Object.values(all)) {
    for (const [name, value] of Object.entries({ ...settings.tags, application: 'lazaret' })) {
      if (stack !== undefined) {
        Tags.of(stack).add(name, value);
      }
    }
  }
  return all;
}
