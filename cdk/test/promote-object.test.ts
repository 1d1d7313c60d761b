import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Ended, Execution, evaluate, TaskError } from './step-functions';
import { contract, PROMOTE } from './support';

type Json = Record<string, unknown>;
type Overrides = Record<string, (payload: Json) => unknown>;

const INPUT = contract<Json>('promotion-input');
const READ = contract<Json>('promotion-read.output');
const PROMOTED = contract<Json>('promotion-promote.output');
const HELD = contract<Json>('promotion-hold.output');
const RESULT = contract<Json>('object-promotion-result');
const ACCOUNT = '111122223333';

/** The contracts' own object; what each state is asked is kept. */
async function run(
  overrides: Overrides = {},
  input: unknown = INPUT,
): Promise<Ended & { asked: Record<string, Json> }> {
  const asked: Record<string, Json> = {};
  // each step answers about the object of the record
  const read = overrides['Read verdict'] ?? (() => READ);
  const step = (answer: Json) => (): Json => {
    const { versionId: _, ...rest } = answer;
    const { verdict, bucket, key, versionId } = read({}) as Json;
    return { ...rest, verdict, bucket, key, ...(versionId === undefined ? {} : { versionId }) };
  };
  const answers: Overrides = {
    'Read verdict': read,
    Promote: step(PROMOTED),
    Quarantine: step(contract('promotion-quarantine.output')),
    Hold: step(HELD),
    'Announce result': () => ({ FailedEntryCount: 0 }),
    'Announce failure': () => ({ FailedEntryCount: 0 }),
    Notify: () => ({ MessageId: 'm' }),
    'Notify of failure': () => ({ MessageId: 'm' }),
    ...overrides,
  };
  const text = JSON.stringify(PROMOTE)
    .replaceAll(/\$\{\w+Seconds\}/g, '5')
    .replaceAll('$' + '{Account}', ACCOUNT);
  const context = { Execution: { Id: RESULT.execution, Input: input } };
  const ended = await new Execution(context, (state, task) => {
    const payload = ('FunctionName' in task ? task.Payload : task) as Json;
    asked[state] = payload;
    const answer = answers[state];
    assert.ok(answer, `nobody answers for ${state}`);
    return answer(payload);
  }).run(JSON.parse(text), input);
  return { ...ended, asked };
}

function failing(error: string, cause?: string): () => never {
  return () => {
    throw new TaskError(error, cause);
  };
}

function verdict(name: string): Overrides {
  return { 'Read verdict': () => ({ ...READ, verdict: name }) };
}

function detail(asked: Record<string, Json>, state: string): unknown {
  const [entry] = (asked[state]?.Entries ?? []) as Json[];
  assert.equal(entry?.Source, 'lazaret');
  assert.equal(entry?.DetailType, 'Object Promotion Result');
  assert.equal(entry?.EventBusName, 'default');
  return entry?.Detail;
}

describe('a promotion', () => {
  it('asks each step in the words of its contract, and announces the result in its own', async () => {
    const { status, output, asked } = await run();
    assert.equal(status, 'SUCCEEDED');
    assert.deepEqual(asked['Read verdict'], contract('promotion-read.input'));
    assert.deepEqual(asked.Promote, contract('promotion-promote.input'));
    assert.deepEqual(detail(asked, 'Announce result'), RESULT);
    assert.deepEqual(output, RESULT);
  });

  it('goes by the verdict that was recorded, never by the input’s', async () => {
    const forged = { ...INPUT, verdict: 'Clean', bucket: 'elsewhere', key: 'other' };
    for (const [recorded, step] of Object.entries({
      Clean: 'Promote',
      InfectedAllowed: 'Promote',
      Infected: 'Quarantine',
      Unscannable: 'Hold',
      Error: 'Hold',
      Skipped: 'Hold',
      Suspicious: 'Hold',
    })) {
      const { states, asked } = await run(verdict(recorded), forged);
      assert.deepEqual(states.slice(0, 4), ['Read verdict', 'Which verdict?', step, 'Announce result'], recorded);
      assert.equal(asked[step]?.record, INPUT.record);
      const announced = detail(asked, 'Announce result') as Json;
      assert.deepEqual([announced.bucket, announced.key, announced.verdict], [READ.bucket, READ.key, recorded]);
    }
  });

  it('is news for people unless the object is where it was meant to go', async () => {
    for (const outcome of ['Promoted', 'Superseded', 'Gone']) {
      const { status, states } = await run({ Promote: () => ({ outcome }) });
      assert.equal(status, 'SUCCEEDED');
      assert.ok(!states.includes('Notify'), outcome);
    }
    for (const [answers, outcome] of [
      [verdict('Infected'), 'Quarantined'],
      [verdict('Unscannable'), 'Held'],
      [verdict('Error'), 'Held'],
      // staging is not versioned
      [{ Promote: () => HELD }, 'Held'],
    ] as [Overrides, string][]) {
      const { status, asked, output } = await run(answers);
      assert.equal(status, 'SUCCEEDED');
      assert.equal((output as Json).outcome, outcome);
      assert.deepEqual(JSON.parse(String(asked.Notify?.Message)), detail(asked, 'Announce result'));
    }
  });

  it('tells people with the attributes that subscriptions filter by', async () => {
    const { asked } = await run(verdict('Infected'));
    assert.deepEqual(attributes(asked.Notify), {
      notificationType: 'promotion',
      scanResult: 'Infected',
      bucket: READ.bucket,
      account: ACCOUNT,
    });
  });

  it('keeps a version id that is not there out of what it tells', async () => {
    const { versionId: _, ...unversioned } = READ;
    const { status, asked } = await run({ 'Read verdict': () => unversioned });
    assert.equal(status, 'SUCCEEDED');
    assert.ok(!('versionId' in (detail(asked, 'Announce result') as Json)));
  });
});

describe('a promotion that fails', () => {
  const ALL = ['Read verdict', 'Promote', 'Quarantine', 'Hold', 'Announce result', 'Notify'];
  const reach: Record<string, Overrides> = {
    Quarantine: verdict('Infected'),
    Hold: verdict('Error'),
    Notify: verdict('Infected'),
  };

  it('says so on the bus and to people, and ends as failed, whichever step it is', async () => {
    for (const step of ALL) {
      const cause = JSON.stringify({ errorType: 'Lazaret.Permanent', errorMessage: `${step} failed` });
      const {
        status,
        error,
        cause: ended,
        states,
        asked,
      } = await run({
        ...reach[step],
        [step]: failing('Lazaret.Permanent', cause),
      });
      assert.deepEqual([status, error, ended], ['FAILED', 'Lazaret.Permanent', `${step} failed`], step);
      assert.deepEqual(
        states.slice(-5),
        [step, 'Describe failure', 'Announce failure', 'Notify of failure', 'Promotion failed'],
        step,
      );
      const told = detail(asked, 'Announce failure') as Json;
      assert.deepEqual(
        [told.outcome, told.error, told.detail, told.record, told.execution],
        ['Failed', 'Lazaret.Permanent', `${step} failed`, INPUT.record, RESULT.execution],
      );
      assert.deepEqual(JSON.parse(String(asked['Notify of failure']?.Message)), told);
      assert.equal(attributes(asked['Notify of failure']).notificationType, 'promotionFailed');
    }
  });

  it('acts on nothing without a verdict that it can trust, and calls the object by no verdict of the input’s', async () => {
    const { error, states, asked } = await run({ 'Read verdict': failing('Lazaret.Untrusted', 'no such record') });
    assert.equal(error, 'Lazaret.Untrusted');
    assert.ok(!states.some((state) => ['Promote', 'Quarantine', 'Hold'].includes(state)));
    assert.deepEqual(attributes(asked['Notify of failure']), {
      notificationType: 'promotionFailed',
      scanResult: 'Error',
      bucket: 'unknown',
      account: ACCOUNT,
    });
  });

  it('says nothing of an input that no record proves but the record’s name', async () => {
    const lies = {
      outcome: 'Promoted',
      done: 'Promoted',
      target: { bucket: 'b' },
      findings: ['x'],
      sha256: 'y',
      more: 1,
    };
    for (const [input, record] of [
      [{ ...INPUT, ...lies }, INPUT.record],
      [{ record: 'x' }, 'x'],
      [{ ...lies, record: 'Clean-1 of s3://production/invoice: call 555' }, 'unknown'],
      [{ ...lies, record: 'x'.repeat(81) }, 'unknown'],
      [{ ...lies, record: { deep: 'lie' } }, 'unknown'],
    ]) {
      const { error, asked } = await run({ 'Read verdict': failing('Lazaret.Untrusted', 'no such record') }, input);
      assert.equal(error, 'Lazaret.Untrusted');
      const told = detail(asked, 'Announce failure');
      assert.deepEqual(told, {
        record,
        bucket: 'unknown',
        key: 'unknown',
        verdict: 'Error',
        outcome: 'Failed',
        error: 'Lazaret.Untrusted',
        detail: 'no such record',
        execution: RESULT.execution,
      });
      assert.deepEqual(JSON.parse(String(asked['Notify of failure']?.Message)), told);
    }
  });

  it('without any record’s name tells of it all the same', async () => {
    const [caught] = PROMOTE.States['Read verdict']?.Catch ?? [];
    for (const input of [{ bucket: 'b', outcome: 'Promoted' }, {}, 'a text', 5]) {
      // Step Functions fails the task before it is called: Arguments have no value
      const errorOutput = { Error: 'States.QueryEvaluationError', Cause: 'no value' };
      assert.deepEqual(await evaluate(caught?.Assign, { states: { input, errorOutput } }), {
        failure: errorOutput,
        object: { record: 'unknown', bucket: 'unknown', key: 'unknown', verdict: 'Error' },
      });
    }
  });

  it('says what was done where only the announcement failed', async () => {
    const { status, asked } = await run({ 'Announce result': failing('EventBridge.FailedEntry', 'throttled') });
    assert.equal(status, 'FAILED');
    const told = detail(asked, 'Announce failure') as Json;
    assert.deepEqual([told.outcome, told.done, told.target], ['Failed', 'Promoted', PROMOTED.target]);
    const before = await run({ Promote: failing('Lazaret.Transient', 'throttled') });
    assert.ok(!('done' in (detail(before.asked, 'Announce failure') as Json)));
  });

  it('keeps its error where nobody can be told', async () => {
    const { error, cause } = await run({
      Promote: failing('Lazaret.AccessDenied', 'denied'),
      'Announce failure': failing('EventBridge.FailedEntry'),
      'Notify of failure': failing('States.Timeout'),
    });
    assert.deepEqual([error, cause], ['Lazaret.AccessDenied', 'denied']);
  });

  it('has a cause even where Step Functions gives none, and no longer one than a console shows', async () => {
    assert.match(String((await run({ Promote: failing('States.Timeout') })).cause), /no cause/);
    assert.equal(String((await run({ Promote: failing('E', 'x'.repeat(30_000)) })).cause).length, 4000);
  });
});

function attributes(message: Json | undefined): Record<string, unknown> {
  const found = message?.MessageAttributes as Record<string, { DataType: string; StringValue: unknown }>;
  return Object.fromEntries(
    Object.entries(found).map(([name, { DataType, StringValue }]) => {
      assert.equal(DataType, 'String');
      return [name, StringValue];
    }),
  );
}
