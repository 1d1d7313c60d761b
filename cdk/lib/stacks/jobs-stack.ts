import { CfnOutput, Fn, Stack, type StackProps } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { AgentTask } from '../constructs/agent-task';
import { jobWork } from '../constructs/agent-work';
import { CrawlerTask } from '../constructs/crawler-task';
import { JobAlarms } from '../constructs/job-alarms';
import { JobFunctions } from '../constructs/job-functions';
import { JobNetwork } from '../constructs/job-network';
import { RetroJob } from '../constructs/retro-job';
import { TearDownRule } from '../constructs/tear-down-rule';
import type { WorkerTask } from '../constructs/worker-task';
import { CLUSTER } from '../names';

export interface JobsStackProps extends StackProps {
  readonly settings: Settings;
}

/** Everything that runs jobs. It holds no state: it may be destroyed and deployed again between two jobs. */
export class JobsStack extends Stack {
  readonly network: JobNetwork;
  readonly cluster: ecs.Cluster;
  readonly agent: WorkerTask;

  constructor(scope: Construct, id: string, props: JobsStackProps) {
    super(scope, id, props);
    const { settings } = props;
    const arns = new Arns(this.account, this.region, settings);

    const network = new JobNetwork(this, 'Network', { settings: settings.network, local: settings.local });
    const cluster = new ecs.Cluster(this, 'Cluster', { clusterName: CLUSTER, vpc: network.vpc });
    acknowledge(cluster, {
      'AwsSolutions-ECS4':
        'Container Insights bills each metric of each task; a job’s own counters and logs tell more.',
    });
    const crawler = new CrawlerTask(this, 'Crawler', { settings, arns }).task;
    const work = jobWork(arns, this.region);
    const agent = new AgentTask(this, 'Agent', { settings, arns, work }).task;
    const functions = new JobFunctions(this, 'Functions', { settings, arns });

    const { stateMachine } = new RetroJob(this, 'RetroJob', { settings, arns, network, functions, crawler, agent });
    // the definition names them and does not refer to them: they must be there before the first job
    stateMachine.node.addDependency(cluster, crawler.taskDefinition, agent.taskDefinition);
    const rule = new TearDownRule(this, 'TearDown', {
      stateMachineArn: arns.stateMachine,
      tearDown: functions.tearDown,
    });
    new JobAlarms(this, 'Alarms', {
      stateMachine,
      tearDownDeadLetters: rule.deadLetterQueue,
      topicArn: settings.alarmTopicArn,
    });

    this.network = network;
    this.cluster = cluster;
    this.agent = agent;
    new CfnOutput(this, 'StateMachineArn', { value: stateMachine.stateMachineArn });
  }

  /** Two zones of whatever the region has, chosen at deploy: a look-up at synth would need credentials. */
  override get availabilityZones(): string[] {
    return [0, 1].map((index) => Fn.select(index, Fn.getAzs()));
  }
}
