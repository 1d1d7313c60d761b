import { Aws, Duration } from 'aws-cdk-lib';
import * as scaling from 'aws-cdk-lib/aws-applicationautoscaling';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as actions from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Settings } from '../config';
import { CLUSTER, EVENT_SERVICE } from '../names';

export interface EventScalingProps {
  readonly settings: Settings;
  readonly service: ecs.FargateService;
  readonly queue: sqs.Queue;
}

/*
 * The arithmetic. An agent scans 1 / secondsPerObject = 250 small objects a second (workers/model/src/fleet.rs); each event costs it a tag
 * and an announcement on top, so count on 80: 5,000 a minute. SQS tells its numbers once a minute, and a new agent takes 75 s to its
 * first scan: whatever is decided has its effect after about two minutes. Twelve agents take 60,000 events a minute, 1,000 a second.
 *
 * Messages say nothing of bytes: 100 objects of 1 GB take one agent (8 MB/s, 1 / secondsPerByte) three and a half hours, and are 100 messages. So
 * their age counts, too.
 */

/** What one agent does in the minute before another could help. */
const BACKLOG = 5000;
/** A minute is what one look of SQS's metrics takes; below that nobody can tell late from in time. */
const LATE_SECONDS = 60;
/** Five minutes: three more agents at once. */
const VERY_LATE_SECONDS = 300;
/** A tenth of an agent's minute: one less will do. */
const QUIET = 500;
/** Until an agent that was added works and SQS's metrics show it; what is added meanwhile is not added to it. */
const OUT_COOLDOWN = Duration.seconds(150);
/** Ten quiet minutes, then one less every five: coming back takes two. */
const QUIET_MINUTES = 10;
const IN_COOLDOWN = Duration.minutes(5);
/** A quarter of an hour without any event ends the last agent. */
const IDLE_MINUTES = 15;

/** From so much above the threshold: how many agents more, or how many in all. */
type Step =
  | { readonly from: number; readonly change: number; readonly exactly?: undefined }
  | { readonly from: number; readonly change?: undefined; readonly exactly: number };

/**
 * Adds event agents when events pile up or wait, whichever is first; takes one away at a time when neither holds. Where the least is 0 the
 * last one ends once nothing came for a quarter of an hour, and the first event launches one.
 */
export class EventScaling extends Construct {
  private readonly target: scaling.ScalableTarget;

  constructor(scope: Construct, id: string, props: EventScalingProps) {
    super(scope, id);
    const { settings, service, queue } = props;
    this.target = new scaling.ScalableTarget(this, 'Target', {
      serviceNamespace: scaling.ServiceNamespace.ECS,
      scalableDimension: 'ecs:service:DesiredCount',
      resourceId: `service/${CLUSTER}/${EVENT_SERVICE}`,
      minCapacity: settings.eventAgentsMin,
      maxCapacity: settings.eventAgentsMax,
      // Application Auto Scaling makes it by itself
      role: iam.Role.fromRoleArn(
        this,
        'ServiceLinkedRole',
        `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService`,
        { mutable: false },
      ),
    });
    this.target.node.addDependency(service);
    const metrics = eventMetrics(queue, service, Duration.minutes(1));
    const { visible, inFlight, age, received, emptyReceives, running } = metrics;

    this.step('Backlog', 'more wait than the agents do in a minute', {
      metric: visible,
      threshold: BACKLOG,
      minutes: 1,
      cooldown: OUT_COOLDOWN,
      // above the threshold: so from 5,000, from 20,000 and from 65,000, what twelve agents do in a minute
      steps: [
        { from: 0, change: 1 },
        { from: 3 * BACKLOG, change: 3 },
        { from: 12 * BACKLOG, change: 8 },
      ],
    });
    this.step('Late', 'events wait for too long', {
      // the age of one that is being scanned is no reason: more agents would not help it
      metric: math('IF(visible > 0, age, 0)', { visible, age }),
      threshold: LATE_SECONDS,
      minutes: 2,
      cooldown: OUT_COOLDOWN,
      steps: [
        { from: 0, change: 1 },
        { from: VERY_LATE_SECONDS - LATE_SECONDS, change: 3 },
      ],
    });
    this.step('Quiet', 'few wait, and none for long', {
      // the last one is not this policy's: it may be in the middle of a scan
      metric: math(`IF(visible < ${QUIET} AND age < ${LATE_SECONDS} AND FILL(running, 0) > 1, 1, 0)`, {
        visible,
        age,
        running,
      }),
      threshold: 1,
      minutes: QUIET_MINUTES,
      cooldown: IN_COOLDOWN,
      steps: [{ from: 0, change: -1 }],
    });
    if (settings.eventAgentsMin === 0) {
      this.step('FirstEvent', 'events wait and no agent asks for them', {
        metric: math('IF(visible > 0 AND received + emptyReceives == 0, 1, 0)', { visible, received, emptyReceives }),
        threshold: 1,
        minutes: 1,
        cooldown: OUT_COOLDOWN,
        steps: [{ from: 0, change: 1 }],
      });
      this.step('Idle', 'nothing waits, nothing is being scanned, nothing came', {
        metric: math('IF(visible + inFlight + received == 0, 1, 0)', { visible, inFlight, received }),
        threshold: 1,
        minutes: IDLE_MINUTES,
        cooldown: IN_COOLDOWN,
        steps: [{ from: 0, exactly: 0 }],
      });
    }
  }

  private step(
    name: string,
    when: string,
    props: {
      readonly metric: cloudwatch.IMetric;
      readonly threshold: number;
      /** For so many minutes in a row. */
      readonly minutes: number;
      readonly cooldown: Duration;
      readonly steps: readonly Step[];
    },
  ): void {
    const action = new scaling.StepScalingAction(this, name, {
      scalingTarget: this.target,
      policyName: `lazaret-events-${kebab(name)}`,
      adjustmentType: props.steps.some(({ exactly }) => exactly !== undefined)
        ? scaling.AdjustmentType.EXACT_CAPACITY
        : scaling.AdjustmentType.CHANGE_IN_CAPACITY,
      metricAggregationType: scaling.MetricAggregationType.MAXIMUM,
      cooldown: props.cooldown,
    });
    for (const [index, { from, change, exactly }] of props.steps.entries()) {
      const next = props.steps[index + 1]?.from;
      action.addAdjustment({
        adjustment: change ?? exactly,
        lowerBound: from,
        ...(next === undefined ? {} : { upperBound: next }),
      });
    }
    const alarm = new cloudwatch.Alarm(this, `${name}Alarm`, {
      alarmName: `lazaret-events-scaling-${kebab(name)}`,
      alarmDescription: `Changes the number of event agents: ${when}. No fault.`,
      metric: props.metric,
      threshold: props.threshold,
      evaluationPeriods: props.minutes,
      datapointsToAlarm: props.minutes,
      // a queue that nobody touched for hours has no metrics
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new actions.ApplicationScalingAction(action));
  }
}

/** What the queue and the service tell of themselves. */
export function eventMetrics(queue: sqs.Queue, service: ecs.FargateService, period: Duration) {
  const most = { period, statistic: 'Maximum' };
  const sum = { period, statistic: 'Sum' };
  return {
    visible: queue.metricApproximateNumberOfMessagesVisible(most),
    inFlight: queue.metricApproximateNumberOfMessagesNotVisible(most),
    age: queue.metricApproximateAgeOfOldestMessage(most),
    received: queue.metricNumberOfMessagesReceived(sum),
    emptyReceives: queue.metricNumberOfEmptyReceives(sum),
    // a sample a minute of each task: AWS's own way to count them
    running: service.metric('CPUUtilization', { period: Duration.minutes(1), statistic: 'SampleCount' }),
  };
}

export function math(
  expression: string,
  usingMetrics: Record<string, cloudwatch.IMetric>,
  period = Duration.minutes(1),
): cloudwatch.MathExpression {
  return new cloudwatch.MathExpression({ expression, usingMetrics, period });
}

function kebab(name: string): string {
  return name.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}
