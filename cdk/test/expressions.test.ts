import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { evaluate } from './step-functions';
import { allStates } from './support';

function state(name: string, bindings: Record<string, unknown>): { field(field: string): Promise<unknown> } {
  const found = allStates().find(([one]) => one === name)?.[1];
  assert.ok(found, name);
  return { field: (field) => evaluate(found[field], bindings) };
}

describe('the fleet', () => {
  const answers = [
    { launched: 10, failures: [] },
    { launched: 7, failures: ['RESOURCE:CPU', 'Capacity is unavailable'] },
    { launched: 0, failures: ['Ecs.EcsException'] },
  ];

  it('counts the tasks that were launched, not those that were asked for', async () => {
    const result = { Tasks: [{ TaskArn: 'a' }, { TaskArn: 'b' }], Failures: [{ Reason: 'full' }, { Reason: 'full' }] };
    const output = await state('Launch agents', { states: { input: 10, result } }).field('Output');
    assert.deepEqual(output, { launched: 2, failures: ['full'] });
  });

  it('is no error where nothing was launched at all', async () => {
    const result = { Tasks: [], Failures: [{ Reason: 'full' }] };
    const output = await state('Launch agents', { states: { input: 10, result } }).field('Output');
    assert.deepEqual(output, { launched: 0, failures: ['full'] });
    const all = await state('Launch agents', { states: { input: 1, result: { Tasks: [{}], Failures: [] } } }).field(
      'Output',
    );
    assert.deepEqual(all, { launched: 1, failures: [] });
  });

  it('adds up over batches and over launches', async () => {
    const fleet = state('Launch fleet', { agentsLaunched: 5, states: { result: answers } });
    assert.deepEqual(await fleet.field('Assign'), { launched: 17, agentsLaunched: 22 });
    assert.deepEqual(await fleet.field('Output'), {
      launched: 17,
      failures: ['RESOURCE:CPU', 'Capacity is unavailable', 'Ecs.EcsException'],
    });
  });

  it('is counted right where there is one batch', async () => {
    const fleet = state('Launch fleet', { agentsLaunched: 0, states: { result: answers.slice(0, 1) } });
    assert.deepEqual(await fleet.field('Assign'), { launched: 10, agentsLaunched: 10 });
    assert.deepEqual(await fleet.field('Output'), { launched: 10, failures: [] });
  });

  it('is tried again as one batch, ever more rarely, while the account is full', async () => {
    const wait = (seconds: number): Promise<unknown> =>
      state('Wait for capacity', { capacityWaitSeconds: seconds, batches: [10, 10, 3] }).field('Assign');
    assert.deepEqual(await wait(60), { capacityWaitSeconds: 120, batches: [10] });
    assert.deepEqual(await wait(800), { capacityWaitSeconds: 900, batches: [10] });
  });

  it('starts its agents with the job’s id and queue, in every subnet', async () => {
    const job = { jobId: 'job-1' };
    const launch = state('Launch agents', { job, queueUrl: 'https://queue', states: { input: 3 } });
    const call = (await launch.field('Arguments')) as {
      Count: number;
      StartedBy: string;
      NetworkConfiguration: { AwsvpcConfiguration: unknown };
    };
    assert.equal(call.Count, 3);
    assert.equal(call.StartedBy, 'job-1');
    assert.deepEqual(call.NetworkConfiguration.AwsvpcConfiguration, {
      // the placeholder is one subnet here: the list must be a list all the same
      Subnets: [placeholder('SubnetIds')],
      SecurityGroups: [placeholder('SecurityGroupIds')],
      AssignPublicIp: placeholder('AssignPublicIp'),
    });
  });
});

describe('the queues', () => {
  it('send what was received five times to the dead-letter queue', async () => {
    const bindings = { queueName: 'lazaret-job-1', deadLetterQueueName: 'lazaret-job-1-dead' };
    const call = (await state('Open job queue', bindings).field('Arguments')) as { Attributes: Record<string, string> };
    const attributes = call.Attributes;
    assert.deepEqual(JSON.parse(attributes.RedrivePolicy ?? ''), {
      deadLetterTargetArn: `${placeholder('QueueArnPrefix')}lazaret-job-1-dead`,
      maxReceiveCount: 5,
    });
    assert.ok(Object.values(attributes).every((value) => typeof value === 'string'));
  });
});

describe('a crawler', () => {
  it('is told everything in strings, an empty prefix included', async () => {
    const crawl = state('Crawl bucket', {
      job: { jobId: 'job-1', window: { from: '2006-03-14T00:00:00Z', to: '2026-11-01T00:00:00Z' } },
      queueUrl: 'https://queue',
      states: {
        input: { index: 0, bucket: 'invoices', prefix: '', selection: '' },
        context: { Task: { Token: 'secret' } },
      },
    });
    const call = (await crawl.field('Arguments')) as {
      Overrides: { ContainerOverrides: { Environment: { Name: string; Value: unknown }[] }[] };
    };
    const environment = call.Overrides.ContainerOverrides[0]?.Environment ?? [];
    assert.deepEqual(Object.fromEntries(environment.map(({ Name, Value }) => [Name, Value])), {
      LAZARET_JOB_ID: 'job-1',
      LAZARET_TASK_TOKEN: 'secret',
      LAZARET_SCOPE_INDEX: '0',
      LAZARET_BUCKET: 'invoices',
      LAZARET_PREFIX: '',
      LAZARET_SELECTION: '',
      LAZARET_FROM: '2006-03-14T00:00:00Z',
      LAZARET_TO: '2026-11-01T00:00:00Z',
      LAZARET_QUEUE_URL: 'https://queue',
    });
  });
});

describe('a failed job', () => {
  const failed = async (failure: unknown): Promise<[unknown, unknown]> => {
    const end = state('Job failed', { failure });
    return [await end.field('Error'), await end.field('Cause')];
  };

  it('says what a function said, not the JSON around it', async () => {
    const Cause = JSON.stringify({ errorType: 'Lazaret.BadInput', errorMessage: '`buckets` is empty' });
    assert.deepEqual(await failed({ Error: 'Lazaret.BadInput', Cause }), ['Lazaret.BadInput', '`buckets` is empty']);
  });

  it('says what a crawler said, JSON or not', async () => {
    for (const Cause of ['`{invoices}` can’t be listed', '{"bucket":"invoices"}', '{broken "errorMessage":']) {
      assert.deepEqual(await failed({ Error: 'Lazaret.AccessDenied', Cause }), ['Lazaret.AccessDenied', Cause]);
    }
  });

  it('has a cause even where Step Functions gives none', async () => {
    for (const failure of [{ Error: 'States.Timeout' }, { Error: 'States.HeartbeatTimeout', Cause: '' }]) {
      const [error, cause] = await failed(failure);
      assert.equal(error, failure.Error);
      assert.match(String(cause), /no cause/);
    }
  });

  it('keeps its cause to what a console shows', async () => {
    assert.equal(String((await failed({ Error: 'E', Cause: 'x'.repeat(30_000) }))[1]).length, 4000);
  });
});

describe('an incomplete job', () => {
  const completeness = {
    crawled: 1_000_000_000,
    inWindow: 900_000_000,
    outsideWindow: 100_000_000,
    rows: 899_999_000,
    packets: 1000,
    parts: 998,
    duplicates: 0,
    missingPackets: ['0000-00000001-0000000007'],
    complete: false,
  };

  it('says what is missing', async () => {
    const cause = await state('Job incomplete', { summary: { completeness, report: 's3://r/report.html' } }).field(
      'Cause',
    );
    assert.equal(
      cause,
      'Crawled 1000000000 objects: 900000000 in the window, 100000000 outside. 899999000 of 900000000 have a row, ' +
        '0 more than one. 998 of 1000 packets have their part; missing: 0000-00000001-0000000007 and others. ' +
        'The report: s3://r/report.html',
    );
  });

  it('names no packet where none is missing', async () => {
    const summary = { completeness: { ...completeness, parts: 1000, missingPackets: [] }, report: 's3://r/x' };
    const cause = await state('Job incomplete', { summary }).field('Cause');
    assert.match(String(cause), /1000 of 1000 packets have their part\. The report/);
  });
});

/** As it stands in the definition before CloudFormation fills it in. */
function placeholder(name: string): string {
  return `\${${name}}`;
}
