import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import aslValidator from 'asl-validator';
import jsonata from 'jsonata';
import { allStates, contract, DEFINITION, DEFINITION_TEXT, type State } from './support';

const FAILURE_NAMES = contract<string[]>('failures');
const PERMANENT = FAILURE_NAMES.filter((name) => name !== 'Lazaret.Transient');
/** A crawler on Fargate and its heartbeats, a function, an API call: each has its own longest time. */
const LONGEST_TASK_SECONDS = 3 * 24 * 3600;

describe('the definition of the retro job', () => {
  it('is valid Amazon States Language', () => {
    const { isValid, errors } = aslValidator(DEFINITION);
    assert.ok(isValid, JSON.stringify(errors));
  });

  it('is written in JSONata alone, and every expression parses', () => {
    assert.equal(DEFINITION.QueryLanguage, 'JSONata');
    const expressions = [...strings(DEFINITION)].filter((text) => text.startsWith('{%'));
    assert.ok(expressions.length > 50);
    for (const text of expressions) {
      assert.match(text, /%\}$/, text);
      assert.doesNotThrow(() => jsonata(text.slice(2, -2).trim()), text);
    }
  });

  it('stays below the megabyte that Step Functions takes', () => {
    assert.ok(Buffer.byteLength(DEFINITION_TEXT) < 1_000_000);
  });

  it('ends by itself after the longest target', () => {
    assert.equal(DEFINITION.TimeoutSeconds, 7 * 24 * 3600 + 3600);
  });

  it('tells a person what each state is for', () => {
    for (const [name, state] of allStates()) {
      assert.ok((state.Comment ?? '').length > 20, `${name} has no Comment`);
      assert.ok(name.length <= 80, name);
    }
  });

  it('gives every task a time-out, and every wait for a token a heartbeat', () => {
    for (const [name, state] of tasks()) {
      assert.equal(typeof state.TimeoutSeconds, 'number', `${name} has no TimeoutSeconds`);
      assert.ok((state.TimeoutSeconds as number) <= LONGEST_TASK_SECONDS, name);
      if (state.Resource?.endsWith('.waitForTaskToken')) {
        assert.ok(state.HeartbeatSeconds !== undefined, `${name} has no HeartbeatSeconds`);
      }
    }
  });

  it('names only errors that exist', () => {
    assert.equal(FAILURE_NAMES.length, new Set(FAILURE_NAMES).size);
    for (const [name, state] of allStates()) {
      for (const error of [...retried(state), ...caught(state), state.Error].map(String)) {
        if (error.startsWith('Lazaret.')) {
          assert.ok(FAILURE_NAMES.includes(error), `${name} names ${error}`);
        }
      }
    }
  });

  it('repeats nothing that would fail again', () => {
    for (const [name, state] of allStates()) {
      for (const error of retried(state)) {
        assert.ok(!['States.ALL', 'States.TaskFailed', ...PERMANENT].includes(error), `${name} retries ${error}`);
      }
    }
  });

  it('repeats a function for Lambda’s own errors and for ours that pass', () => {
    for (const [name, state] of tasks().filter(([, { Resource }]) => Resource?.endsWith(':lambda:invoke'))) {
      for (const error of [
        'Lazaret.Transient',
        'Lambda.ServiceException',
        'Lambda.AWSLambdaException',
        'Lambda.SdkClientException',
        'Lambda.TooManyRequestsException',
      ]) {
        assert.ok(retried(state).includes(error), `${name} does not retry ${error}`);
      }
    }
  });

  it('repeats a crawl whose crawler went silent', () => {
    const crawl = allStates().find(([name]) => name === 'Crawl bucket')?.[1];
    assert.ok(crawl && retried(crawl).includes('States.HeartbeatTimeout'));
  });

  it('reaches the tear-down from every step that comes after something was created', () => {
    const afterCheck = Object.entries(DEFINITION.States).filter(
      ([name, { Type }]) =>
        ['Task', 'Map'].includes(Type) && !['Check input', 'Tear down after failure'].includes(name),
    );
    assert.ok(afterCheck.length >= 8);
    for (const [name, state] of afterCheck) {
      const all = state.Catch?.find(({ ErrorEquals }) => ErrorEquals.includes('States.ALL'));
      assert.equal(all?.Next, 'Tear down after failure', name);
    }
    assert.equal(DEFINITION.States['Tear down after failure']?.Next, 'Job failed');
  });

  it('fails a bad input before anything is created', () => {
    assert.equal(DEFINITION.States['Check input']?.Catch?.[0]?.Next, 'Job failed');
  });

  it('catches errors by name before it catches all', () => {
    for (const [name, state] of allStates()) {
      const catchers = state.Catch ?? [];
      const all = catchers.findIndex(({ ErrorEquals }) => ErrorEquals.includes('States.ALL'));
      assert.ok(all === -1 || all === catchers.length - 1, name);
    }
  });

  it('leads from the start to every state', () => {
    const seen = new Set<string>();
    const visit = (name: string | undefined): void => {
      const state = name === undefined ? undefined : DEFINITION.States[name];
      if (name === undefined || seen.has(name)) {
        return;
      }
      assert.ok(state, `${name} is not there`);
      seen.add(name);
      const choices = (state.Choices ?? []).map(({ Next }) => Next);
      const catchers = (state.Catch ?? []).map(({ Next }) => Next);
      for (const next of [state.Next, state.Default, ...choices, ...catchers]) {
        visit(next);
      }
    };
    visit(DEFINITION.StartAt);
    assert.deepEqual([...seen].sort(), Object.keys(DEFINITION.States).sort());
  });

  it('marks every task of a job as the job’s: the tear-down finds them by it', () => {
    for (const [name, { Resource, Arguments }] of tasks().filter(([, { Resource }]) => Resource?.includes('runTask'))) {
      // the optimised integration takes neither StartedBy nor Count
      assert.match(Resource ?? '', /aws-sdk:ecs:runTask/, name);
      assert.equal((Arguments as Record<string, unknown>).StartedBy, '{% $job.jobId %}', name);
    }
  });

  it('never writes a task token anywhere but into the crawler’s environment', () => {
    const holders = allStates()
      .filter(([, { ItemProcessor: _, ...state }]) => JSON.stringify(state).includes('Task.Token'))
      .map(([name]) => name);
    assert.deepEqual(holders, ['Crawl bucket']);
  });
});

function tasks(): [string, State][] {
  return allStates().filter(([, { Type }]) => Type === 'Task');
}

function retried(state: State): string[] {
  return (state.Retry ?? []).flatMap(({ ErrorEquals }) => ErrorEquals);
}

function caught(state: State): string[] {
  return (state.Catch ?? []).flatMap(({ ErrorEquals }) => ErrorEquals);
}

function* strings(value: unknown): Generator<string> {
  if (typeof value === 'string') {
    yield value;
  } else if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) {
      yield* strings(inner);
    }
  }
}
