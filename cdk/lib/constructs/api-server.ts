import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { ApiAlarms } from './api-alarms';
import { ApiBalancer } from './api-balancer';
import { ApiFirewall } from './api-firewall';
import { ApiScaling } from './api-scaling';
import { ApiService } from './api-service';
import { API_PORT, ApiTask } from './api-task';
import type { ApiUsers } from './api-users';

/** Where the servers and their load balancer stand. */
export interface ApiNetwork {
  readonly vpc: ec2.IVpc;
  /** Of the tasks. */
  readonly subnets: readonly ec2.ISubnet[];
  /** Of a load balancer that anybody may call; an internal one stands beside the tasks. */
  readonly publicSubnets: readonly ec2.ISubnet[];
  /** In place of both. @default - as above, or `apiSubnetIds` */
  readonly balancerSubnets?: readonly ec2.ISubnet[];
  readonly assignPublicIp: boolean;
  /** A security group of tasks, below `scope`, with whatever way out they need. */
  tasks(scope: Construct, description: string): ec2.SecurityGroup;
}

export interface ApiServerProps {
  readonly settings: Settings;
  readonly arns: Arns;
  readonly network: ApiNetwork;
  readonly cluster: ecs.ICluster;
  readonly users: ApiUsers;
  readonly accessLogs: s3.IBucket;
  /** @default - built from this repository */
  readonly image?: ecs.ContainerImage;
}

/** The API but for what outlives it: a load balancer, servers behind it, as many as it takes, and alarms. */
export class ApiServer extends Construct {
  readonly balancer: ApiBalancer;

  constructor(scope: Construct, id: string, props: ApiServerProps) {
    super(scope, id);
    const { settings, arns, network, cluster, users, image } = props;
    const { api } = settings;
    this.balancer = new ApiBalancer(this, 'Balancer', {
      api,
      fips: settings.fips,
      network,
      port: API_PORT,
      accessLogs: props.accessLogs,
    });
    const { balancer } = this;
    if (api.waf !== 'none') {
      new ApiFirewall(this, 'Firewall', { balancerArn: balancer.balancer.loadBalancerArn, waf: api.waf });
    }
    const { task } = new ApiTask(this, 'Api', { settings, arns, users, ...(image === undefined ? {} : { image }) });
    const { service } = new ApiService(this, 'Service', { cluster, network, task, balancer });
    new ApiScaling(this, 'Scaling', { api, service, balancer });
    new ApiAlarms(this, 'Alarms', { settings, balancer });
  }
}
