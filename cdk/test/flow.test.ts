import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Ended, Execution, TaskError } from './step-functions';
import { contract, DEFINITION } from './support';

const JOB_ID = 'retro-2026-11-01';
const INPUT = contract<{ input: unknown; startedAt: string }>('check-input.input');
const QUEUES = 'https://sqs.eu-central-1.amazonaws.com/111122223333/';

type Overrides = Record<string, (payload: unknown, input: unknown) => unknown>;

/** The contracts' own job: each step answers with its fixture, and what each is asked is kept. */
async function run(overrides: Overrides = {}): Promise<Ended & { asked: Record<string, unknown[]> }> {
  const asked: Record<string, unknown[]> = {};
  const drain = contract<Record<string, unknown>>('check-drain.output');
  const answers: Overrides = {
    'Check input': () => contract('check-input.output'),
    'Open dead-letter queue': (task) => ({ QueueUrl: `${QUEUES}${(task as { QueueName: string }).QueueName}` }),
    'Open job queue': (task) => ({ QueueUrl: `${QUEUES}${(task as { QueueName: string }).QueueName}` }),
    'Crawl bucket': () => contract('crawl-brief'),
    'Read quota': () => ({ Quota: { QuotaCode: 'L-3032A538', Value: 1000 } }),
    'Size fleet': () => contract('size-fleet.output'),
    'Launch agents': (task) => ({ Tasks: Array((task as { Count: number }).Count).fill({}), Failures: [] }),
    'Check drain': () => ({ ...drain, decision: 'drained', batches: [] }),
    Report: () => contract('summary'),
    'Tear down': () => contract('tear-down.output'),
    'Tear down after failure': () => contract('tear-down.output'),
    ...overrides,
  };
  const context = {
    Execution: { Input: INPUT.input, Name: JOB_ID, StartTime: INPUT.startedAt },
    Task: { Token: 'token' },
  };
  // CloudFormation fills the numbers in
  const machine = JSON.parse(JSON.stringify(DEFINITION).replaceAll(/\$\{(\w*Seconds)\}/g, '5'));
  const ended = await new Execution(context, (state, task, input) => {
    const payload = 'FunctionName' in task ? task.Payload : task;
    asked[state] = [...(asked[state] ?? []), payload];
    const answer = answers[state];
    assert.ok(answer, `nobody answers for ${state}`);
    return answer(payload, input);
  }).run(machine, INPUT.input);
  return { ...ended, asked };
}

describe('a job', () => {
  it('asks each function in the words of its contract, and its output is the summary', async () => {
    const { status, output, asked } = await run();
    assert.equal(status, 'SUCCEEDED');
    assert.deepEqual(output, contract('summary'));
    assert.deepEqual(asked['Check input'], [contract('check-input.input')]);
    assert.deepEqual(asked['Check drain'], [contract('check-drain.input')]);
    assert.deepEqual(asked.Report, [contract('report.input')]);
    assert.deepEqual(asked['Tear down'], [contract('tear-down.input')]);
    assert.deepEqual(asked['Read quota'], [{ ServiceCode: 'fargate', QuotaCode: 'L-3032A538' }]);
    const [sized] = asked['Size fleet'] as [{ job: unknown; crawls: unknown[]; quotaVcpus: unknown }];
    assert.equal(sized.quotaVcpus, contract<{ quotaVcpus: number }>('size-fleet.input').quotaVcpus);
    assert.deepEqual(sized.job, contract<{ job: unknown }>('check-input.output').job);
    assert.deepEqual(sized.crawls, [contract('crawl-brief'), contract('crawl-brief')]);
  });

  it('is sized without a quota where Service Quotas does not answer', async () => {
    const { status, asked } = await run({
      'Read quota': () => {
        throw new TaskError('ServiceQuotas.AccessDeniedException');
      },
    });
    assert.equal(status, 'SUCCEEDED');
    const [sized] = asked['Size fleet'] as [{ quotaVcpus: unknown }];
    assert.equal(sized.quotaVcpus, null);
  });

  it('launches again what check_drain asks for, and remembers', async () => {
    const drain = contract<{ memory: unknown; batches: number[] }>('check-drain.output');
    const decisions = ['wait', 'relaunch', 'drained'];
    const { status, asked, states } = await run({
      'Check drain': (payload) => ({ ...drain, decision: decisions[(payload as { looks: number }).looks] }),
    });
    assert.equal(status, 'SUCCEEDED');
    const looks = asked['Check drain'] as { memory: unknown; looks: number }[];
    assert.deepEqual(
      looks.map(({ looks }) => looks),
      [0, 1, 2],
    );
    assert.deepEqual(looks[1]?.memory, drain.memory);
    assert.equal(states.filter((state) => state === 'Launch fleet').length, 2);
    // one agent at first, one again
    assert.deepEqual(asked.Report, [{ jobId: JOB_ID, agents: 2 }]);
  });

  it('launches nobody where nothing is to be scanned', async () => {
    const { status, states } = await run({
      'Size fleet': () => ({ ...contract<object>('size-fleet.output'), agents: 0, batches: [] }),
    });
    assert.equal(status, 'SUCCEEDED');
    assert.ok(!states.includes('Launch fleet') && states.includes('Report'));
  });

  it('waits for a full account, and neither fails nor counts it as a launch without progress', async () => {
    let calls = 0;
    const { status, states, asked } = await run({
      'Size fleet': () => ({ ...contract<object>('size-fleet.output'), agents: 23, batches: [10, 10, 3] }),
      'Launch agents': (task) => {
        calls += 1;
        if (calls <= 3) {
          throw new TaskError('Ecs.EcsException', 'Rate exceeded');
        }
        const launched = calls === 4 ? 0 : (task as { Count: number }).Count;
        return { Tasks: Array(launched).fill({}), Failures: [{ Reason: 'Capacity is unavailable at this time' }] };
      },
    });
    assert.equal(status, 'SUCCEEDED');
    assert.equal(states.filter((state) => state === 'Launch fewer agents').length, 3);
    assert.equal(states.filter((state) => state === 'Wait for capacity').length, 2);
    assert.deepEqual(asked.Report, [{ jobId: JOB_ID, agents: 10 }]);
  });

  it('ends as incomplete, after its tear-down, where rows are missing', async () => {
    for (const decision of ['drained', 'stuck']) {
      const { status, error, cause, states } = await run({
        'Check drain': () => ({ ...contract<object>('check-drain.output'), decision }),
        Report: () => ({ ...contract<object>('summary'), status: 'INCOMPLETE' }),
      });
      assert.deepEqual([status, error], ['FAILED', 'Lazaret.Incomplete']);
      assert.match(String(cause), /^Crawled 8 objects/);
      assert.deepEqual(states.slice(-3), ['Tear down', 'Complete?', 'Job incomplete']);
    }
  });

  it('keeps the first error through the tear-down, whichever step fails', async () => {
    const steps = [
      'Open dead-letter queue',
      'Open job queue',
      'Crawl bucket',
      'Size fleet',
      'Launch agents',
      'Check drain',
      'Report',
      'Tear down',
    ];
    for (const step of steps) {
      const { status, error, cause, states } = await run({
        [step]: () => {
          throw new TaskError('Lazaret.Permanent', `${step} failed`);
        },
      });
      assert.deepEqual([status, error, cause], ['FAILED', 'Lazaret.Permanent', `${step} failed`], step);
      assert.deepEqual(states.slice(-2), ['Tear down after failure', 'Job failed'], step);
    }
  });

  it('keeps the first error even where the tear-down fails as well', async () => {
    const { error } = await run({
      'Crawl bucket': () => {
        throw new TaskError('Lazaret.AccessDenied', 'denied');
      },
      'Tear down after failure': () => {
        throw new TaskError('Lazaret.Transient', 'throttled');
      },
    });
    assert.equal(error, 'Lazaret.AccessDenied');
  });

  it('creates nothing for a bad input', async () => {
    const { error, states, asked } = await run({
      'Check input': () => {
        throw new TaskError('Lazaret.BadInput', '`buckets` is empty');
      },
    });
    assert.equal(error, 'Lazaret.BadInput');
    assert.deepEqual(states, ['Check input', 'Job failed']);
    assert.deepEqual(Object.keys(asked), ['Check input']);
  });

  it('fails on an error without a cause as well', async () => {
    const { error, cause } = await run({
      'Crawl bucket': () => {
        throw new TaskError('States.Timeout');
      },
    });
    assert.equal(error, 'States.Timeout');
    assert.match(String(cause), /no cause/);
  });
});
