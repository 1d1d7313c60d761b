import { type App, CliCredentialsStackSynthesizer, type Environment, type StackProps, Tags } from 'aws-cdk-lib';
import type { Settings } from './config';
import { JobsStack } from './stacks/jobs-stack';
import { StorageStack } from './stacks/storage-stack';

/** Where file assets of a local deployment go; `local/up` makes it. It stands in for `cdk bootstrap`. */
export const LOCAL_ASSETS_BUCKET = 'lazaret-local-assets';

export interface Lazaret {
  readonly storage: StorageStack;
  readonly jobs: JobsStack;
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
    disposable: settings.local,
    terminationProtection: !settings.local,
  });
  const jobs = new JobsStack(app, 'LazaretJobs', {
    ...common(),
    description: 'Lazaret: the retro job, its tasks and functions',
    settings,
  });
  jobs.addStackDependency(storage);
  Tags.of(app).add('application', 'lazaret');
  return { storage, jobs };
}
