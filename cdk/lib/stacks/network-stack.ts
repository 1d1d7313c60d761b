import { Fn, Stack, type StackProps } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Settings } from '../config';
import { JobNetwork } from '../constructs/job-network';
import { CLUSTER } from '../names';

export interface NetworkStackProps extends StackProps {
  readonly settings: Settings;
}

/** Where all tasks run, whichever stacks launch some: so that the API can be had without the jobs, and the jobs without events. It holds no state. */
export class NetworkStack extends Stack {
  readonly network: JobNetwork;
  readonly cluster: ecs.Cluster;

  constructor(scope: Construct, id: string, props: NetworkStackProps) {
    super(scope, id, props);
    const { settings } = props;
    this.network = new JobNetwork(this, 'Network', { settings });
    this.cluster = new ecs.Cluster(this, 'Cluster', { clusterName: CLUSTER, vpc: this.network.vpc });
    acknowledge(this.cluster, {
      'AwsSolutions-ECS4':
        'Container Insights bills each metric of each task; a job’s own counters and logs tell more.',
    });
  }

  /** Two zones of whatever the region has, chosen at deploy: a look-up at synth would need credentials. */
  override get availabilityZones(): string[] {
    return [0, 1].map((index) => Fn.select(index, Fn.getAzs()));
  }
}
