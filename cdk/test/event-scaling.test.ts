import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import { deployment, flat, type Json, only, resources, templates } from './support';

const always = templates(deployment('aws')).events;
const smart = templates(deployment('aws', { eventAgentsMin: 0, eventAgentsMax: 30 })).events;

interface Policy {
  readonly type: unknown;
  readonly cooldown: unknown;
  /** Lower and upper bound above the threshold, and the change. */
  readonly steps: unknown[][];
  readonly threshold: unknown;
  readonly minutes: unknown;
  readonly expression: string;
}

describe('the scaling of event agents', () => {
  it('keeps within the numbers that were set', () => {
    const bounds = (template: Template): unknown[] => {
      const { MinCapacity, MaxCapacity, ResourceId } = only(template, 'AWS::ApplicationAutoScaling::ScalableTarget');
      return [ResourceId, MinCapacity, MaxCapacity];
    };
    assert.deepEqual(bounds(always), ['service/lazaret/lazaret-events', 1, 12]);
    assert.deepEqual(bounds(smart), ['service/lazaret/lazaret-events', 0, 30]);
  });

  it('adds agents when events pile up or wait, whichever is first', () => {
    for (const template of [always, smart]) {
      const { backlog, late } = policies(template);
      assert.deepEqual(backlog?.steps, [
        [0, 15_000, 1],
        [15_000, 60_000, 3],
        [60_000, undefined, 8],
      ]);
      assert.deepEqual([backlog?.expression, backlog?.threshold], ['ApproximateNumberOfMessagesVisible', 5000]);
      assert.deepEqual(late?.steps, [
        [0, 240, 1],
        [240, undefined, 3],
      ]);
      // an old one that is being scanned is nobody's backlog
      assert.deepEqual([late?.expression, late?.threshold], ['IF(visible > 0, age, 0)', 60]);
      for (const policy of [backlog, late]) {
        assert.equal(policy?.type, 'ChangeInCapacity');
        // Fargate's start and SQS's minute, or two are launched for the same backlog
        assert.ok(Number(policy?.cooldown) >= 75 + 60);
      }
    }
  });

  it('takes one away at a time, only while few wait and none for long, and never the last', () => {
    for (const template of [always, smart]) {
      const { quiet } = policies(template);
      assert.deepEqual([quiet?.type, quiet?.steps, quiet?.minutes], ['ChangeInCapacity', [[0, undefined, -1]], 10]);
      assert.match(quiet?.expression ?? '', /visible < 500 AND age < 60 AND FILL\(running, 0\) > 1/);
    }
  });

  it('from zero: launches one for the first event that nobody asks for', () => {
    const { 'first-event': first } = policies(smart);
    assert.deepEqual([first?.type, first?.steps, first?.minutes], ['ChangeInCapacity', [[0, undefined, 1]], 1]);
    assert.match(first?.expression ?? '', /visible > 0 AND received \+ emptyReceives == 0/);
  });

  it('to zero: ends the last one when nothing waits, nothing is in hand and nothing came', () => {
    const { idle } = policies(smart);
    assert.deepEqual([idle?.type, idle?.steps, idle?.minutes], ['ExactCapacity', [[0, undefined, 0]], 15]);
    assert.match(idle?.expression ?? '', /visible \+ inFlight \+ received == 0/);
  });

  it('never goes to zero where one agent is kept', () => {
    assert.deepEqual(Object.keys(policies(always)).sort(), ['backlog', 'late', 'quiet']);
    assert.deepEqual(Object.keys(policies(smart)).sort(), ['backlog', 'first-event', 'idle', 'late', 'quiet']);
  });

  it('does nothing where the queue has no metrics', () => {
    for (const { Properties } of scalingAlarms(smart)) {
      assert.equal(Properties.TreatMissingData, 'notBreaching', String(Properties.AlarmName));
      assert.equal(Properties.ComparisonOperator, 'GreaterThanOrEqualToThreshold');
      assert.equal(Properties.DatapointsToAlarm, Properties.EvaluationPeriods);
    }
  });
});

function scalingAlarms(template: Template) {
  return Object.values(resources(template, 'AWS::CloudWatch::Alarm')).filter(({ Properties }) =>
    String(Properties.AlarmName).startsWith('lazaret-events-scaling-'),
  );
}

/** By the name that a policy and its alarm share. */
function policies(template: Template): Record<string, Policy> {
  const found = Object.entries(resources(template, 'AWS::ApplicationAutoScaling::ScalingPolicy'));
  return Object.fromEntries(
    found.map(([id, { Properties }]) => {
      const name = String(Properties.PolicyName).replace('lazaret-events-', '');
      const [alarm] = scalingAlarms(template).filter(
        ({ Properties: one }) => flat((one.AlarmActions as Json[])[0]) === `<${id}>`,
      );
      assert.equal(alarm?.Properties.AlarmName, `lazaret-events-scaling-${name}`);
      const { AdjustmentType, Cooldown, StepAdjustments } = Properties.StepScalingPolicyConfiguration as Record<
        string,
        Json
      >;
      const metrics = (alarm.Properties.Metrics ?? []) as Record<string, Json>[];
      return [
        name,
        {
          type: AdjustmentType,
          cooldown: Cooldown,
          steps: (StepAdjustments as Record<string, Json>[]).map((step) => [
            step.MetricIntervalLowerBound,
            step.MetricIntervalUpperBound,
            step.ScalingAdjustment,
          ]),
          threshold: alarm.Properties.Threshold,
          minutes: alarm.Properties.EvaluationPeriods,
          expression: String(metrics.find(({ Expression }) => Expression)?.Expression ?? alarm.Properties.MetricName),
        },
      ];
    }),
  );
}
