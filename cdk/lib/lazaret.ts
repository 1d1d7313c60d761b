import { type App, CliCredentialsStackSynthesizer, type Environment, type StackProps, Tags } from 'aws-cdk-lib';
import type { Settings } from './config';
import { ApiStack } from './stacks/api-stack';
import { DefinitionsStack } from './stacks/definitions-stack';
import { EventsStack } from './stacks/events-stack';
import { JobsStack } from './stacks/jobs-stack';
import { OperationStack } from './stacks/operation-stack';
import { SchedulesStack } from './stacks/schedules-stack';
import { StorageStack } from './stacks/storage-stack';

/** Where file assets of a local deployment go; `local/up` makes it. It stands in for `cdk bootstrap`. */
export const LOCAL_ASSETS_BUCKET = 'lazaret-local-assets';

export interface Lazaret {
  readonly storage: StorageStack;
  readonly jobs: JobsStack;
  readonly events: EventsStack;
  /** Where the owner has it. */
  readonly api?: ApiStack;
  readonly schedules: SchedulesStack;
  readonly definitions: DefinitionsStack;
  /** Not in the local cloud, which shows nothing of it. */
  readonly operation?: OperationStack;
}

/** The whole app: state apart from what may be destroyed at any time. */
export function defineLazaret(app: App, settings: Settings, env: Required<Environment>): Lazaret {
  const common = (): StackProps => ({
    env,
    analyticsReporting: false,
    // a local cloud has no roles to assume and nothing to bootstrap
    ...(settings.local
      ? { synthesizer: new CliCredentialsStackSynthesizer({ fileAssetsBucketName: LOCAL_ASSETS_BUCKET }) }
      : {}),
  });
  const storage = new StorageStack(app, 'LazaretStorage', {
    ...common(),
    description: 'Lazaret: results and quarantine',
    settings,
    terminationProtection: !settings.local,
  });
  const jobs = new JobsStack(app, 'LazaretJobs', {
    ...common(),
    description: 'Lazaret: the retro job, its tasks and functions',
    settings,
  });
  jobs.addStackDependency(storage);
  const events = new EventsStack(app, 'LazaretEvents', {
    ...common(),
    description: 'Lazaret: scanning of objects as they arrive, and promotion from staging buckets',
    settings,
    jobs,
  });
  events.addStackDependency(jobs);
  const api = settings.api.enabled
    ? new ApiStack(app, 'LazaretApi', {
        ...common(),
        description: 'Lazaret: verdicts over HTTP, before anything is stored',
        settings,
        jobs,
      })
    : undefined;
  api?.addStackDependency(jobs);
  const schedules = new SchedulesStack(app, 'LazaretSchedules', {
    ...common(),
    description: 'Lazaret: jobs in time',
    settings,
  });
  // a run starts a job
  schedules.addStackDependency(jobs);
  const definitions = new DefinitionsStack(app, 'LazaretDefinitions', {
    ...common(),
    description: 'Lazaret: fresh definitions',
    settings,
    jobs,
  });
  definitions.addStackDependency(jobs);
  const watched = [jobs, events, schedules, definitions, ...(api === undefined ? [] : [api])];
  const operation = settings.local
    ? undefined
    : new OperationStack(app, 'LazaretOperation', {
        ...common(),
        description: 'Lazaret: dashboard, and questions to the logs',
        settings,
        watched,
        api,
      });
  Tags.of(app).add('application', 'lazaret');
  return {
    storage,
    jobs,
    events,
    schedules,
    definitions,
    ...(api === undefined ? {} : { api }),
    ...(operation === undefined ? {} : { operation }),
  };
}
