import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RESULTS, Statements } from './statements';
import { ACCOUNT, deployment, flat, type Json, only, REGION, resources, templates } from './support';

const aws = templates(deployment('aws', { definitionsMirror: 'https://mirror.example' })).definitions;
const local = templates(deployment('local')).definitions;

describe('the updater of definitions', () => {
  const schedule = only(aws, 'AWS::Scheduler::Schedule');
  const [container] = only(aws, 'AWS::ECS::TaskDefinition').ContainerDefinitions as Record<string, Json>[];

  it('is one task, launched a few times a day and never at the stroke of the clock', () => {
    assert.equal(schedule.ScheduleExpression, 'rate(6 hours)');
    assert.deepEqual(schedule.FlexibleTimeWindow, { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 30 });
    const target = schedule.Target as Record<string, Json>;
    const ecs = target.EcsParameters as Record<string, Json>;
    assert.equal(ecs.TaskCount, 1);
    assert.equal(
      flat(ecs.TaskDefinitionArn),
      `arn:<AWS::Partition>:ecs:${REGION}:${ACCOUNT}:task-definition/lazaret-definitions`,
    );
    assert.equal(schedule.GroupName, undefined, 'no schedule of people’s');
  });

  it('begins with the set in force, so that it fetches differences', () => {
    assert.deepEqual(container?.Command, [
      'definitions',
      'update',
      '--seed',
      '--dir',
      '/scratch/definitions',
      '--json',
      '--private-mirror',
      'https://mirror.example',
    ]);
    assert.equal(container?.ReadonlyRootFilesystem, true);
    const [mount] = (container?.MountPoints ?? []) as { ContainerPath: string }[];
    assert.equal(mount?.ContainerPath, '/scratch');
  });

  it('may publish definitions and nothing else', () => {
    const statements = new Statements('definitions', {});
    assert.deepEqual([...statements.may('UpdaterWorkerTaskRole')].sort(), [
      's3:GetObject',
      's3:ListBucket',
      's3:PutObject',
    ]);
    assert.deepEqual(statements.on('UpdaterWorkerTaskRole', 's3:PutObject'), [`${RESULTS}/definitions/*`]);
    assert.deepEqual([...statements.may('UpdaterSchedulerRole')].sort(), ['ecs:RunTask', 'iam:PassRole']);
    assert.ok(!statements.may('Watchwatchdefinitions').has('s3:PutObject'));
  });

  it('is the owner’s to do without, and is not in the local cloud', () => {
    const without = templates(deployment('aws', { definitionsEvery: '' })).definitions;
    for (const template of [without, local]) {
      assert.deepEqual(resources(template, 'AWS::Scheduler::Schedule'), {});
      assert.deepEqual(resources(template, 'AWS::ECS::TaskDefinition'), {});
      assert.equal(only(template, 'AWS::Lambda::Function').FunctionName, 'lazaret-watch-definitions');
    }
  });
});

describe('the alarms of definitions', () => {
  const alarms = Object.values(resources(aws, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);

  it('go off before agents give up, and where nobody looks', () => {
    const [old, unwatched] = alarms.sort((a, b) => String(a.AlarmName).localeCompare(String(b.AlarmName)));
    assert.deepEqual([old?.AlarmName, old?.Threshold], ['lazaret-definitions-old', 172800]);
    assert.deepEqual(
      [unwatched?.AlarmName, unwatched?.TreatMissingData, unwatched?.EvaluationPeriods],
      ['lazaret-definitions-unwatched', 'breaching', 3],
    );
    assert.ok(Number(old?.Threshold) < deployment('aws').settings.definitionsMaxAgeSeconds);
  });
});
