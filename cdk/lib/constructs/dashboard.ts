import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Construct } from 'constructs';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import {
  CLUSTER,
  EVENT_SERVICE,
  EVENTS_DEAD_LETTER_QUEUE,
  EVENTS_QUEUE,
  SCHEDULE_DEAD_LETTER_QUEUE,
  TEARDOWN_DEAD_LETTER_QUEUE,
} from '../names';
import type { ApiBalancer } from './api-balancer';

export interface DashboardProps {
  readonly settings: Settings;
  readonly arns: Arns;
  /** Names of all alarms that a person answers for. */
  readonly alarmNames: readonly string[];
  /** Where there is an API. */
  readonly balancer: ApiBalancer | undefined;
}

const PERIOD = Duration.minutes(5);
const MINUTE = Duration.minutes(1);
/** Of the 24 columns: three widgets a row. */
const WIDTH = 8;
const HEIGHT = 6;
const RUNBOOK = 'Each alarm names its section of docs/runbook.md. Questions to the logs: docs/logs.md.';
const VERDICTS = ['Clean', 'Infected', 'InfectedAllowed', 'Unscannable', 'Error'];

type Statistic = 'Sum' | 'Maximum' | 'SampleCount' | 'p50' | 'p99';

/** What the programs tell: docs/metrics.md. */
function told(metricName: string, statistic: Statistic, label: string, period = PERIOD): cloudwatch.Metric {
  return new cloudwatch.Metric({ namespace: 'Lazaret', metricName, statistic, label, period });
}

function ofQueue(queue: string, metricName: string, label: string): cloudwatch.Metric {
  const dimensionsMap = { QueueName: queue };
  return new cloudwatch.Metric({
    namespace: 'AWS/SQS',
    metricName,
    dimensionsMap,
    statistic: 'Maximum',
    label,
    period: PERIOD,
  });
}

function graph(title: string, left: cloudwatch.IMetric[], right: cloudwatch.IMetric[] = []): cloudwatch.GraphWidget {
  return new cloudwatch.GraphWidget({ title, left, right, width: WIDTH, height: HEIGHT, liveData: true });
}

/** What an operator looks at first: alarms, then jobs, new objects, the API. It names everything and refers to the load balancer alone. */
export class Dashboard extends Construct {
  constructor(scope: Construct, id: string, props: DashboardProps) {
    super(scope, id);
    const { arns, balancer, settings } = props;
    new cloudwatch.Dashboard(this, 'Dashboard', {
      // dashboards are the account's, whatever their region (CloudWatch user guide)
      dashboardName: `lazaret-${arns.region}`,
      defaultInterval: Duration.hours(12),
      widgets: [
        [new cloudwatch.TextWidget({ markdown: `# Lazaret\n${RUNBOOK}`, width: 24, height: 2 })],
        [
          new cloudwatch.AlarmStatusWidget({
            title: 'Alarms',
            alarms: props.alarmNames.map((name) => cloudwatch.Alarm.fromAlarmName(this, `Alarm-${name}`, name)),
            width: 24,
            height: 4,
          }),
        ],
        ...(settings.jobsEnabled ? this.jobs(arns) : []),
        ...(settings.eventsEnabled ? [this.newObjects(), this.staging(arns, settings)] : []),
        this.always(),
        ...(balancer === undefined ? [] : this.api(balancer)),
      ],
    });
  }

  private jobs(arns: Arns): cloudwatch.IWidget[][] {
    return [
      [
        graph('Jobs', ofMachine(arns.stateMachine, ['Started', 'Succeeded', 'Failed', 'TimedOut', 'Aborted'])),
        graph(
          'Jobs: objects by verdict',
          [...VERDICTS, 'Skipped', 'Gone'].map((verdict) => told(`Jobs${verdict}`, 'Sum', verdict)),
        ),
        graph(
          'Jobs: bytes, and agents',
          [told('JobsBytes', 'Sum', 'bytes')],
          [told('JobsAgents', 'SampleCount', 'agents', MINUTE)],
        ),
      ],
    ];
  }

  private always(): cloudwatch.IWidget[] {
    return [
      graph(
        'Age of the definitions in force',
        [told('DefinitionsInForceAgeSeconds', 'Maximum', 'in force (s)', Duration.hours(1))],
        [told('DefinitionsAgeSeconds', 'Maximum', 'the oldest in use (s)')],
      ),
      graph('Agents: contents that got a verdict', [
        told('ScannedObjects', 'Sum', 'verdicts'),
        told('VerdictCacheHits', 'Sum', 'of these, remembered'),
      ]),
    ];
  }

  private newObjects(): cloudwatch.IWidget[] {
    return [
      graph(
        'Events',
        [
          ofQueue(EVENTS_QUEUE, 'ApproximateNumberOfMessagesVisible', 'waiting'),
          ofQueue(EVENTS_QUEUE, 'ApproximateNumberOfMessagesNotVisible', 'in hand'),
        ],
        [ofQueue(EVENTS_QUEUE, 'ApproximateAgeOfOldestMessage', 'age of the oldest (s)')],
      ),
      graph(
        'New objects by verdict',
        [...VERDICTS, 'Skipped'].map((verdict) => told(`Events${verdict}`, 'Sum', verdict)),
        [told('EventsBytes', 'Sum', 'bytes')],
      ),
      graph(
        'From event to end of action',
        [told('EventLatencyMilliseconds', 'p50', 'p50 (ms)'), told('EventLatencyMilliseconds', 'p99', 'p99 (ms)')],
        [
          new cloudwatch.Metric({
            namespace: 'AWS/ECS',
            metricName: 'CPUUtilization',
            dimensionsMap: { ClusterName: CLUSTER, ServiceName: EVENT_SERVICE },
            // a sample a minute of each task: AWS's own way to count them
            statistic: 'SampleCount',
            label: 'event agents',
            period: MINUTE,
          }),
        ],
      ),
    ];
  }

  private staging(arns: Arns, settings: Settings): cloudwatch.IWidget[] {
    return [
      graph('Promotions', ofMachine(arns.promoteStateMachine, ['Started', 'Succeeded', 'Failed', 'TimedOut'])),
      new cloudwatch.GraphWidget({
        title: 'Staging',
        left: [told('StagingWaitSeconds', 'Maximum', 'the longest wait (s)')],
        right: [told('StagingWaitingObjects', 'Maximum', 'objects that wait')],
        leftAnnotations: [{ value: settings.stagingLimitSeconds, label: 'stagingLimitSeconds' }],
        width: WIDTH,
        height: HEIGHT,
      }),
      graph(
        'Dead letters',
        [EVENTS_DEAD_LETTER_QUEUE, SCHEDULE_DEAD_LETTER_QUEUE, TEARDOWN_DEAD_LETTER_QUEUE].map((queue) =>
          ofQueue(queue, 'ApproximateNumberOfMessagesVisible', queue),
        ),
      ),
    ];
  }

  private api({ balancer, targets }: ApiBalancer): cloudwatch.IWidget[][] {
    return [
      [
        graph('API: answers', [
          told('ApiAnswers2xx', 'Sum', '2xx'),
          told('ApiAnswers4xx', 'Sum', '4xx'),
          told('ApiAnswers5xx', 'Sum', '5xx'),
          balancer.metrics.httpCodeElb(elb.HttpCodeElb.ELB_5XX_COUNT, {
            period: PERIOD,
            label: '5xx of the load balancer',
          }),
        ]),
        graph('API: time to answer', [
          targets.metrics.targetResponseTime({ period: PERIOD, statistic: 'p50', label: 'p50 (s)' }),
          targets.metrics.targetResponseTime({ period: PERIOD, statistic: 'p99', label: 'p99 (s)' }),
        ]),
        graph(
          'API: refused',
          ['Queue', 'Receiving', 'Room', 'Logins'].map((cause) =>
            told(`ApiRefused${cause}`, 'Sum', cause.toLowerCase()),
          ),
          [told('ApiLoginsFailed', 'Sum', 'failed logins')],
        ),
      ],
      [
        graph(
          'API: files by verdict',
          VERDICTS.map((verdict) => told(`Api${verdict}`, 'Sum', verdict)),
          [told('ApiBytes', 'Sum', 'bytes')],
        ),
        graph(
          'API: queue in front of the engine',
          [told('ApiQueueDepth', 'Maximum', 'deepest')],
          [
            told('ApiQueueWaitMilliseconds', 'p99', 'wait, p99 (ms)'),
            told('ApiScanMilliseconds', 'p99', 'scan, p99 (ms)'),
          ],
        ),
        graph('API: tasks', [
          targets.metrics.healthyHostCount({ period: MINUTE, statistic: 'Maximum', label: 'ready' }),
          targets.metrics.unhealthyHostCount({ period: MINUTE, statistic: 'Maximum', label: 'not ready' }),
        ]),
      ],
    ];
  }
}

/** `ExecutionsStarted` and its like. */
function ofMachine(arn: string, ends: readonly string[]): cloudwatch.Metric[] {
  return ends.map(
    (end) =>
      new cloudwatch.Metric({
        namespace: 'AWS/States',
        metricName: `Executions${end}`,
        dimensionsMap: { StateMachineArn: arn },
        statistic: 'Sum',
        label: end,
        period: PERIOD,
      }),
  );
}
