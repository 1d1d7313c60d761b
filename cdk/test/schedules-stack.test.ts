import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { PERIODS, RetroSchedule, type RetroScheduleProps } from '../lib/constructs/retro-schedule';
import { RESULTS, Statements } from './statements';
import { ACCOUNT, contract, deployment, flat, type Json, only, REGION, resources, templates } from './support';

const NIGHTLY: RetroScheduleProps = {
  scheduleName: 'nightly',
  buckets: [{ name: 'invoices', prefix: '2026/' }, 'uploads'],
  every: 'daily',
  timezone: 'Europe/Berlin',
  overlap: 'queue',
  from: '2026-01-01T00:00:00Z',
};
const aws = templates(deployment('aws', { schedules: JSON.stringify([NIGHTLY]) })).schedules;
const arn = (service: string, resource: string): string =>
  `arn:<AWS::Partition>:${service}:${REGION}:${ACCOUNT}:${resource}`;

describe('a schedule', () => {
  const schedule = only(aws, 'AWS::Scheduler::Schedule');
  const target = schedule.Target as Record<string, Json>;

  it('calls the function as the function expects it', () => {
    assert.deepEqual(JSON.parse(String(target.Input)), contract('schedule-call'));
    assert.equal(flat(target.Arn), arn('lambda', 'function:lazaret-start-scheduled'));
    assert.equal(only(aws, 'AWS::Lambda::Function').FunctionName, 'lazaret-start-scheduled');
    assert.deepEqual(
      [schedule.ScheduleExpression, schedule.ScheduleExpressionTimezone, schedule.State],
      ['cron(0 4 * * ? *)', 'Europe/Berlin', 'ENABLED'],
    );
  });

  it('passes the role of this region, which may call that function and no other', () => {
    const roles = Object.entries(resources(aws, 'AWS::IAM::Role'));
    const [id, role] = roles.find(([, { Properties }]) => Properties.RoleName !== undefined) ?? [];
    assert.equal(role?.Properties.RoleName, `lazaret-scheduler-${REGION}`);
    assert.equal(flat(target.RoleArn), `arn:<AWS::Partition>:iam::${ACCOUNT}:role/lazaret-scheduler-${REGION}`);
    const statements = new Statements('schedules', {}).allowed(id ?? '');
    assert.deepEqual(
      statements.map(({ actions, resources }) => [...actions, ...resources.map((resource) => resource.split('.')[1])]),
      [
        ['lambda:InvokeFunction', 'Arn>'],
        ['sqs:SendMessage', 'Arn>'],
      ],
    );
    const document = role?.Properties.AssumeRolePolicyDocument as { Statement: Record<string, Json>[] } | undefined;
    const [trust] = document?.Statement ?? [];
    const condition = (trust?.Condition ?? {}) as Record<string, Record<string, Json>>;
    assert.equal(flat(condition.ArnEquals?.['aws:SourceArn']), arn('scheduler', 'schedule-group/lazaret'));
    assert.deepEqual(condition.StringEquals, { 'aws:SourceAccount': ACCOUNT });
  });

  it('keeps what could not be started, under an alarm', () => {
    const letters = target.DeadLetterConfig as Record<string, Json>;
    assert.equal(flat(letters.Arn), arn('sqs', 'lazaret-schedules-dead'));
    assert.equal(only(aws, 'AWS::SQS::Queue').QueueName, 'lazaret-schedules-dead');
    assert.equal(only(aws, 'AWS::Scheduler::ScheduleGroup').Name, 'lazaret');
  });

  it('means the same by its words as the command line', () => {
    assert.deepEqual(PERIODS, contract('schedule-periods'));
  });

  it('can be made by another team’s app, which needs nothing of ours but names', () => {
    const stack = new Stack(new App(), 'Theirs', { env: { account: ACCOUNT, region: REGION } });
    new RetroSchedule(stack, 'Schedule', { scheduleName: 'weekly', buckets: ['reports'], every: 'rate(7 days)' });
    const theirs = only(Template.fromStack(stack), 'AWS::Scheduler::Schedule');
    assert.deepEqual(
      [theirs.ScheduleExpression, theirs.GroupName, theirs.ScheduleExpressionTimezone],
      ['rate(7 days)', 'lazaret', 'UTC'],
    );
    const { definition } = JSON.parse(String((theirs.Target as Record<string, Json>).Input));
    assert.deepEqual(definition, {
      buckets: [{ name: 'reports', prefix: '' }],
      scope: 'new',
      overlap: 'refuse',
      targetMinutes: 60,
      settleSeconds: 3600,
    });
  });

  it('is refused at synth where it could never run', () => {
    for (const wrong of [
      { scheduleName: 'a b' },
      { scheduleName: 'x'.repeat(33) },
      { buckets: [] },
      { every: 'fortnightly' },
    ]) {
      const stack = new Stack(new App(), 'Theirs', { env: { account: ACCOUNT, region: REGION } });
      assert.throws(() => new RetroSchedule(stack, 'Schedule', { ...NIGHTLY, ...wrong }), /schedule/);
    }
    assert.throws(() => deployment('aws', { schedules: 'nightly' }), /schedules is no list/);
  });
});

describe('the function of schedules', () => {
  const statements = new Statements('schedules', {});
  const ROLE = 'Startstartscheduled';

  it('writes states and selections, and starts jobs', () => {
    assert.deepEqual(statements.on(ROLE, 's3:PutObject'), [`${RESULTS}/schedules/*`, `${RESULTS}/work/*/selection/*`]);
    assert.deepEqual(statements.on(ROLE, 's3:GetObject'), [`${RESULTS}/jobs/*/summary.json`, `${RESULTS}/schedules/*`]);
    assert.deepEqual(statements.on(ROLE, 'states:StartExecution'), [arn('states', 'stateMachine:lazaret-retro-job')]);
    assert.deepEqual(statements.on(ROLE, 'states:DescribeExecution'), [arn('states', 'execution:lazaret-retro-job:*')]);
    assert.ok(!statements.may(ROLE).has('s3:DeleteObject'));
  });

  it('hears of the end of each job, however it ends', () => {
    const pattern = only(aws, 'AWS::Events::Rule').EventPattern as Record<string, Json>;
    const detail = pattern.detail as Record<string, Json[]>;
    assert.deepEqual(detail.status, ['SUCCEEDED', 'FAILED', 'ABORTED', 'TIMED_OUT']);
    assert.deepEqual(detail.stateMachineArn?.map(flat), [arn('states', 'stateMachine:lazaret-retro-job')]);
  });
});
