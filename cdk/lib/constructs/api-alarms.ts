import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Construct } from 'constructs';
import type { Settings } from '../config';
import { Alarms } from './alarms';
import type { ApiBalancer } from './api-balancer';

export interface ApiAlarmsProps {
  readonly settings: Settings;
  readonly balancer: ApiBalancer;
}

const { BREACHING } = cloudwatch.TreatMissingData;
const PERIOD = Duration.minutes(5);
const MINUTE = Duration.minutes(1);
/** Of answers, in five minutes: one in a hundred, and no less than so many, or one failure at night would wake somebody. */
const FAILED_PERCENT = 1;
const FAILED_LEAST = 3;
const FAILED = 'FILL(task, 0) + FILL(balancer, 0)';
/** Requests that are told to come again, in ten minutes of five: clients do, but the tasks are too few. */
const REFUSED_PERCENT = 5;

/** What the tasks tell (`docs/metrics.md`): the load balancer counts all of 4xx as one. */
function told(metricName: string, options: cloudwatch.MetricOptions): cloudwatch.Metric {
  return new cloudwatch.Metric({ namespace: 'Lazaret', metricName, ...options });
}

/** What a person should look at while the API is called; each text names its section of docs/runbook.md. */
export class ApiAlarms extends Construct {
  constructor(scope: Construct, id: string, props: ApiAlarmsProps) {
    super(scope, id);
    const { settings } = props;
    const alarms = new Alarms(this);
    const { balancer, targets } = props.balancer;
    const sum = { period: PERIOD, statistic: 'Sum' };
    const requests = balancer.metrics.requestCount(sum);

    alarms.add('Errors', 'lazaret-api-errors', {
      says: 'Requests to the API are answered by errors of ours. See docs/runbook.md#the-api-answers-with-errors',
      metric: new cloudwatch.MathExpression({
        // of the tasks, and of the load balancer where no task answered: it does not count as requests what reached no task
        expression: `IF(${FAILED} >= ${FAILED_LEAST}, 100 * (${FAILED}) / (FILL(requests, 0) + FILL(balancer, 0)), 0)`,
        usingMetrics: {
          task: targets.metrics.httpCodeTarget(elb.HttpCodeTarget.TARGET_5XX_COUNT, sum),
          balancer: balancer.metrics.httpCodeElb(elb.HttpCodeElb.ELB_5XX_COUNT, sum),
          requests,
        },
        period: PERIOD,
      }),
      atLeast: FAILED_PERCENT,
    });
    alarms.add('Down', 'lazaret-api-down', {
      says: 'No task of the API is ready: nobody gets a verdict. See docs/runbook.md#no-task-of-the-api-is-ready',
      metric: targets.metrics.healthyHostCount({ period: MINUTE, statistic: 'Maximum' }),
      below: 1,
      periods: 3,
      // a load balancer without any target says nothing
      missing: BREACHING,
    });
    alarms.add('Unhealthy', 'lazaret-api-unhealthy', {
      says: 'A task of the API has not been ready for a quarter of an hour, or one after another fails. See docs/runbook.md#a-task-of-the-api-is-not-ready',
      metric: targets.metrics.unhealthyHostCount({ period: PERIOD, statistic: 'Maximum' }),
      atLeast: 1,
      periods: 3,
    });
    alarms.add('Refusing', 'lazaret-api-refusing', {
      says: 'The API is full and tells callers to come again. See docs/runbook.md#the-api-is-full',
      metric: new cloudwatch.MathExpression({
        expression: '100 * (FILL(queue, 0) + FILL(receiving, 0) + FILL(room, 0)) / requests',
        usingMetrics: {
          queue: told('ApiRefusedQueue', sum),
          receiving: told('ApiRefusedReceiving', sum),
          room: told('ApiRefusedRoom', sum),
          requests,
        },
        period: PERIOD,
      }),
      atLeast: REFUSED_PERCENT,
      periods: 2,
    });
    alarms.add('Slow', 'lazaret-api-slow', {
      says: 'One in a hundred answers of the API takes too long. See docs/runbook.md#the-api-is-slow',
      metric: targets.metrics.targetResponseTime({ period: PERIOD, statistic: 'p99' }),
      atLeast: settings.api.slowSeconds,
      periods: 3,
    });
    alarms.tell(settings.alarmTopicArn);
  }
}
