import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { ApiAlarms } from '../constructs/api-alarms';
import { ApiBalancer } from '../constructs/api-balancer';
import { ApiFirewall } from '../constructs/api-firewall';
import { ApiScaling } from '../constructs/api-scaling';
import { ApiService } from '../constructs/api-service';
import { API_PORT, ApiTask } from '../constructs/api-task';
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
    const { api } = settings;
    const arns = new Arns(this.account, this.region, settings);

    const balancer = new ApiBalancer(this, 'Balancer', {
      api,
      fips: settings.fips,
      network: place.network,
      port: API_PORT,
      accessLogs: kept.accessLogs,
    });
    if (api.waf !== 'none') {
      new ApiFirewall(this, 'Firewall', { balancerArn: balancer.balancer.loadBalancerArn, waf: api.waf });
    }
    const { task } = new ApiTask(this, 'Api', { settings, arns, users: kept.users });
    const { service } = new ApiService(this, 'Service', {
      cluster: place.cluster,
      network: place.network,
      task,
      balancer,
    });
    new ApiScaling(this, 'Scaling', { api, service, balancer });
    new ApiAlarms(this, 'Alarms', { settings, balancer });
    this.balancer = balancer;

    new CfnOutput(this, 'ApiUrl', { value: balancer.url });
    new CfnOutput(this, 'UserPoolId', { value: kept.users.pool.userPoolId });
    new CfnOutput(this, 'UserPoolClientId', { value: kept.users.client.userPoolClientId });
  }
}
