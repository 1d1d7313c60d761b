import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { DefinitionsUpdater } from '../constructs/definitions-updater';
import { DefinitionsWatch } from '../constructs/definitions-watch';
import type { NetworkStack } from './network-stack';

export interface DefinitionsStackProps extends StackProps {
  readonly settings: Settings;
  /** Where the updater runs. */
  readonly place: NetworkStack;
}

/** Keeps the definitions young. The definitions themselves are in the results bucket and outlive it. */
export class DefinitionsStack extends Stack {
  constructor(scope: Construct, id: string, props: DefinitionsStackProps) {
    super(scope, id, props);
    const { settings, place } = props;
    const arns = new Arns(this.account, this.region, settings);
    if (settings.definitionsEvery !== '') {
      new DefinitionsUpdater(this, 'Updater', { settings, arns, network: place.network });
    }
    new DefinitionsWatch(this, 'Watch', { settings, arns });
  }
}
