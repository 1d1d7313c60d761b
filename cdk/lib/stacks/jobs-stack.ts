import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { AgentTask } from '../constructs/agent-task';
import { jobWork } from '../constructs/agent-work';
import { CrawlerTask } from '../constructs/crawler-task';
import { JobAlarms } from '../constructs/job-alarms';
import { JobFunctions } from '../constructs/job-functions';
import { RetroJob } from '../constructs/retro-job';
import { TearDownRule } from '../constructs/tear-down-rule';
import type { WorkerTask } from '../constructs/worker-task';
import type { NetworkStack } from './network-stack';

export interface JobsStackProps extends StackProps {
  readonly settings: Settings;
  /** Where its tasks run. */
  readonly place: NetworkStack;
}

/** Everything that runs jobs. It holds no state: it may be destroyed and deployed again between two jobs. */
export class JobsStack extends Stack {
  readonly agent: WorkerTask;

  constructor(scope: Construct, id: string, props: JobsStackProps) {
    super(scope, id, props);
    const { settings, place } = props;
    const arns = new Arns(this.account, this.region, settings);

    const crawler = new CrawlerTask(this, 'Crawler', { settings, arns }).task;
    const work = jobWork(arns, this.region);
    const agent = new AgentTask(this, 'Agent', { settings, arns, work }).task;
    const functions = new JobFunctions(this, 'Functions', { settings, arns });

    const { stateMachine } = new RetroJob(this, 'RetroJob', {
      settings,
      arns,
      network: place.network,
      functions,
      crawler,
      agent,
    });
    // the definition names them and does not refer to them: they must be there before the first job
    stateMachine.node.addDependency(crawler.taskDefinition, agent.taskDefinition);
    const rule = new TearDownRule(this, 'TearDown', {
      stateMachineArn: arns.stateMachine,
      tearDown: functions.tearDown,
    });
    new JobAlarms(this, 'Alarms', {
      stateMachine,
      tearDownDeadLetters: rule.deadLetterQueue,
      topicArn: settings.alarmTopicArn,
    });

    this.agent = agent;
    new CfnOutput(this, 'StateMachineArn', { value: stateMachine.stateMachineArn });
  }
}
