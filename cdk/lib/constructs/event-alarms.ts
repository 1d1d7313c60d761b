import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import type * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { Settings } from '../config';
import { Alarms } from './alarms';
import { eventMetrics, math } from './event-scaling';

export interface EventAlarmsProps {
  readonly settings: Settings;
  readonly queue: sqs.Queue;
  readonly deadLetterQueue: sqs.Queue;
  readonly service: ecs.FargateService;
  readonly promotion: sfn.StateMachine;
  readonly protectTagged: lambda.Function;
}

const { BREACHING, IGNORE } = cloudwatch.TreatMissingData;
const PERIOD = Duration.minutes(5);
/** The watch over staging looks every five minutes: three looks. */
const LOOKS = 3;

/** What a person should look at while objects arrive; each text names its section of docs/runbook.md. */
export class EventAlarms extends Construct {
  constructor(scope: Construct, id: string, props: EventAlarmsProps) {
    super(scope, id);
    const { settings, promotion } = props;
    const alarms = new Alarms(this);
    const { visible, age, received, emptyReceives } = eventMetrics(props.queue, props.service, PERIOD);
    const sum = { period: PERIOD, statistic: 'Sum' };
    const sent = props.queue.metricNumberOfMessagesSent(sum);
    const watched = (metricName: string, statistic: string): cloudwatch.Metric =>
      // written by watch_staging in CloudWatch's embedded format
      new cloudwatch.Metric({ namespace: 'Lazaret', metricName, statistic, period: PERIOD });

    alarms.add('EventsDead', 'lazaret-events-dead', {
      says: 'Events were given up: objects arrived that have no verdict. See docs/runbook.md#events-are-in-the-dead-letter-queue',
      metric: props.deadLetterQueue.metricApproximateNumberOfMessagesVisible({ period: PERIOD, statistic: 'Maximum' }),
      atLeast: 1,
    });
    alarms.add('EventsLate', 'lazaret-events-late', {
      says: 'Objects arrive faster than they are scanned. See docs/runbook.md#events-wait',
      metric: age,
      atLeast: settings.eventLimitSeconds + 1,
    });
    alarms.add('EventsUnattended', 'lazaret-events-unattended', {
      says: 'Events wait, and no agent asks for them. See docs/runbook.md#no-agent-takes-events',
      // an agent that runs asks all the time; one that is counted as running and hangs does not
      metric: math(
        'IF(visible > 0 AND received + emptyReceives == 0, 1, 0)',
        { visible, received, emptyReceives },
        PERIOD,
      ),
      atLeast: 1,
      periods: 3,
    });
    alarms.add('PoliciesMissing', 'lazaret-policies-missing', {
      says: 'Buckets tell of objects, and no bucket’s settings are there. See docs/runbook.md#the-settings-are-gone',
      // a deployment that protects nothing yet has no settings either, and hears of no object
      metric: math(
        'IF(missing > 0 AND sent > 0, 1, 0)',
        { missing: watched('PoliciesMissing', 'Maximum'), sent },
        PERIOD,
      ),
      atLeast: 1,
    });
    alarms.add('StagingWait', 'lazaret-staging-wait', {
      says: 'An object has been in a staging bucket for too long: without a verdict, with an Error, or clean and not promoted. See docs/runbook.md#objects-wait-in-staging',
      metric: watched('StagingWaitSeconds', 'Maximum'),
      atLeast: settings.stagingLimitSeconds + 1,
      // whoever is silent takes nothing back: the next alarm tells of the silence
      missing: IGNORE,
    });
    alarms.add('StagingUnwatched', 'lazaret-staging-unwatched', {
      says: 'Nobody tells how long objects wait in staging buckets. See docs/runbook.md#nobody-watches-staging',
      // the watch says 0 where nothing waits, and where there is no staging bucket: no number at all is a watch that does not run
      metric: watched('StagingWaitSeconds', 'SampleCount'),
      atMost: 0,
      periods: LOOKS,
      missing: BREACHING,
    });
    alarms.add('StagingNotLookedAt', 'lazaret-staging-not-looked-at', {
      says: 'Staging buckets hold more than the watch looks at: how long objects wait is not known of all. See docs/runbook.md#staging-holds-more-than-the-watch-looks-at',
      metric: watched('StagingNotLookedAt', 'Maximum'),
      atLeast: 1,
      // each look takes another turn: what one left out, the next may have seen
      periods: LOOKS,
      missing: IGNORE,
    });
    alarms.add('PromotionFailed', 'lazaret-promotion-failed', {
      says: 'An object was not promoted, or that it was could not be told. See docs/runbook.md#a-promotion-failed',
      metric: promotion.metricFailed(sum),
      atLeast: 1,
    });
    alarms.add('PromotionTimedOut', 'lazaret-promotion-timed-out', {
      says: 'A promotion took longer than it may, and nobody was told. See docs/runbook.md#a-promotion-failed',
      metric: promotion.metricTimedOut(sum),
      atLeast: 1,
    });
    alarms.add('ProtectTaggedFailed', 'lazaret-protect-tagged-failed', {
      says: 'Buckets whose tag asks for protection may be without. See docs/runbook.md#tagged-buckets-stay-unprotected',
      metric: props.protectTagged.metricErrors(sum),
      atLeast: 1,
      periods: 3,
    });
    alarms.tell(settings.alarmTopicArn);
  }
}
