import { Duration } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Construct } from 'constructs';
import { API } from '../names';
import type { ApiBalancer } from './api-balancer';
import type { ApiNetwork } from './api-server';
import { API_PORT } from './api-task';

import type { WorkerTask } from './worker-task';

export interface ApiServiceProps {
  readonly cluster: ecs.ICluster;
  readonly network: ApiNetwork;
  readonly task: WorkerTask;
  readonly balancer: ApiBalancer;
}

/** Fargate's start, the definitions' 15 s and two health checks, with as much again: within it a task that is not ready is not replaced. */
const START = Duration.seconds(240);

/**
 * Keeps servers running behind the load balancer. A deployment starts the new ones first; an old one gets no more requests, is left with what it has in hand
 * for the deregistration delay, and only then told to end. How many there are is the scaling's.
 */
export class ApiService extends Construct {
  readonly service: ecs.FargateService;

  constructor(scope: Construct, id: string, props: ApiServiceProps) {
    super(scope, id);
    const { cluster, network, task, balancer } = props;
    const securityGroup = network.tasks(
      this,
      'Servers of the verdict API: the load balancer calls them, and nobody else',
    );
    this.service = new ecs.FargateService(this, 'Service', {
      serviceName: API,
      cluster,
      taskDefinition: task.taskDefinition,
      vpcSubnets: { subnets: [...network.subnets] },
      securityGroups: [securityGroup],
      assignPublicIp: network.assignPublicIp,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      healthCheckGracePeriod: START,
      // servers that don't start, without definitions say, end the deployment and not the service
      circuitBreaker: { enable: true, rollback: true },
    });
    balancer.targets.addTarget(
      this.service.loadBalancerTarget({ containerName: task.container.containerName, containerPort: API_PORT }),
    );
  }
}
