import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { AgentTask } from '../constructs/agent-task';
import { eventWork } from '../constructs/agent-work';
import { EventAlarms } from '../constructs/event-alarms';
import { EventFunctions } from '../constructs/event-functions';
import { EventIntake } from '../constructs/event-intake';
import { EventScaling } from '../constructs/event-scaling';
import { EventService } from '../constructs/event-service';
import { NotificationsTopic } from '../constructs/notifications-topic';
import { Promotion } from '../constructs/promotion';
import type { JobsStack } from './jobs-stack';
import type { NetworkStack } from './network-stack';

export interface EventsStackProps extends StackProps {
  readonly settings: Settings;
  /** Where the event agents run. */
  readonly place: NetworkStack;
  /** Whose agents' writes are our own as well. */
  readonly jobs: JobsStack;
}

/**
 * Everything that scans objects as they arrive. It holds no state but what waits in the queue: destroyed, events are lost, and a
 * retro job over the time finds what they told of.
 */
export class EventsStack extends Stack {
  constructor(scope: Construct, id: string, props: EventsStackProps) {
    super(scope, id, props);
    const { settings, place, jobs } = props;
    const arns = new Arns(this.account, this.region, settings);

    const intake = new EventIntake(this, 'Intake', { settings });
    const { topic } = new NotificationsTopic(this, 'Notifications');
    const functions = new EventFunctions(this, 'Functions', { settings, arns });
    const { stateMachine } = new Promotion(this, 'Promotion', { settings, arns, promote: functions.promote.function });

    const work = eventWork(arns, this.region, intake.queue.queueUrl);
    const agent = new AgentTask(this, 'Agent', { settings, arns, work }).task;
    // what these roles write is known already: an object that was promoted into a protected bucket is not scanned again
    const ownRoles = [functions.promote.role, agent.taskRole, jobs.agent.taskRole];
    agent.container.addEnvironment('LAZARET_OWN_ROLE_IDS', ownRoles.map(({ roleId }) => roleId).join(','));
    const { service } = new EventService(this, 'Service', { cluster: place.cluster, network: place.network, agent });
    // an agent names them and does not refer to them
    service.node.addDependency(stateMachine, topic);

    new EventScaling(this, 'Scaling', { settings, service, queue: intake.queue });
    new EventAlarms(this, 'Alarms', {
      settings,
      queue: intake.queue,
      deadLetterQueue: intake.deadLetterQueue,
      service,
      promotion: stateMachine,
      protectTagged: functions.protectTagged.function,
    });

    new CfnOutput(this, 'EventsTopicArn', { value: arns.eventsTopic });
    new CfnOutput(this, 'NotificationsTopicArn', { value: topic.topicArn });
    new CfnOutput(this, 'PromoteStateMachineArn', { value: stateMachine.stateMachineArn });
  }
}
