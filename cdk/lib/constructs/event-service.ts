import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Construct } from 'constructs';
import { EVENT_SERVICE } from '../names';
import type { JobNetwork } from './job-network';
import type { WorkerTask } from './worker-task';

export interface EventServiceProps {
  readonly cluster: ecs.ICluster;
  readonly network: JobNetwork;
  readonly agent: WorkerTask;
}

/**
 * Keeps event agents running. A deployment starts the new ones first, and an old one that is told to end (SIGTERM, then 120 s) gives back
 * what it has not begun. How many there are is the scaling's: a deployment leaves the number as it is.
 */
export class EventService extends Construct {
  readonly service: ecs.FargateService;

  constructor(scope: Construct, id: string, props: EventServiceProps) {
    super(scope, id);
    const { cluster, network, agent } = props;
    this.service = new ecs.FargateService(this, 'Service', {
      serviceName: EVENT_SERVICE,
      cluster,
      taskDefinition: agent.taskDefinition,
      vpcSubnets: { subnets: [...network.subnets] },
      securityGroups: [network.securityGroup],
      assignPublicIp: network.assignPublicIp,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      // agents that don't start, with definitions or rules that are not in force, end the deployment and not the service
      circuitBreaker: { enable: true, rollback: true },
    });
  }
}
