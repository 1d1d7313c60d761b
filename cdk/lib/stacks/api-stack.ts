import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { ApiAccessLogs } from '../constructs/api-access-logs';
import { ApiAlarms } from '../constructs/api-alarms';
import { ApiBalancer } from '../constructs/api-balancer';
import { ApiFirewall } from '../constructs/api-firewall';
import { ApiScaling } from '../constructs/api-scaling';
import { ApiService } from '../constructs/api-service';
import { API_PORT, ApiTask } from '../constructs/api-task';
import { ApiUsers } from '../constructs/api-users';
import type { JobsStack } from './jobs-stack';

export interface ApiStackProps extends StackProps {
  readonly settings: Settings;
  /** Whose cluster and network the servers use. */
  readonly jobs: JobsStack;
}

/** Verdicts over HTTP, before anything is stored. It holds its users, who outlive it, and no file. */
export class ApiStack extends Stack {
  readonly balancer: ApiBalancer;

  constructor(scope: Construct, id: string, props: ApiStackProps) {
    super(scope, id, props);
    const { settings, jobs } = props;
    const { api } = settings;
    const disposable = settings.local;
    const arns = new Arns(this.account, this.region, settings);

    const users = new ApiUsers(this, 'Users', { disposable });
    const accessLogs = new ApiAccessLogs(this, 'AccessLogs', { retentionDays: settings.logRetentionDays, disposable });
    const balancer = new ApiBalancer(this, 'Balancer', {
      api,
      network: jobs.network,
      port: API_PORT,
      accessLogs: accessLogs.bucket,
    });
    if (api.waf !== 'none') {
      new ApiFirewall(this, 'Firewall', { balancerArn: balancer.balancer.loadBalancerArn, waf: api.waf });
    }
    const { task } = new ApiTask(this, 'Api', { settings, arns, users });
    const { service } = new ApiService(this, 'Service', {
      cluster: jobs.cluster,
      network: jobs.network,
      task,
      balancer,
    });
    new ApiScaling(this, 'Scaling', { api, service, balancer });
    new ApiAlarms(this, 'Alarms', { settings, balancer });
    this.balancer = balancer;

    new CfnOutput(this, 'ApiUrl', { value: balancer.url });
    new CfnOutput(this, 'UserPoolId', { value: users.pool.userPoolId });
    new CfnOutput(this, 'UserPoolClientId', { value: users.client.userPoolClientId });
  }
}
