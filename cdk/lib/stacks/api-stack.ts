import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import type { ApiBalancer } from '../constructs/api-balancer';
import { ApiServer } from '../constructs/api-server';
import type { NetworkStack } from './network-stack';
import type { ApiState } from './storage-stack';

export interface ApiStackProps extends StackProps {
  readonly settings: Settings;
  /** Where the servers run. */
  readonly place: NetworkStack;
  /** What outlives it: users and access logs. */
  readonly kept: ApiState;
}

/** Verdicts over HTTP, before anything is stored. Its users and access logs outlive it, in the storage stack; it holds no file. */
export class ApiStack extends Stack {
  readonly balancer: ApiBalancer;

  constructor(scope: Construct, id: string, props: ApiStackProps) {
    super(scope, id, props);
    const { settings, place, kept } = props;
    // the id that is no part of logical ids
    const { balancer } = new ApiServer(this, 'Default', {
      settings,
      arns: new Arns(this.account, this.region, settings),
      network: place.network,
      cluster: place.cluster,
      users: kept.users,
      accessLogs: kept.accessLogs,
    });
    this.balancer = balancer;

    new CfnOutput(this, 'ApiUrl', { value: balancer.url });
    new CfnOutput(this, 'UserPoolId', { value: kept.users.pool.userPoolId });
    new CfnOutput(this, 'UserPoolClientId', { value: kept.users.client.userPoolClientId });
  }
}
