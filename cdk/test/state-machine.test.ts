import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import aslValidator from 'asl-validator';
import jsonata from 'jsonata';
import { PROMOTION_TIMES } from '../lib/constructs/promotion';
import {
  allStates,
  contract,
  DEFINITION,
  DEFINITION_TEXT,
  type Definition,
  PROMOTE,
  PROMOTE_TEXT,
  type Retrier,
  type State,
} from './support';

const FAILURE_NAMES = contract<string[]>('failures');
const PERMANENT = FAILURE_NAMES.filter((name) => name !== 'Lazaret.Transient');
/** A crawler on Fargate and its heartbeats, a function, an API call: each has its own longest time. */
const LONGEST_TASK_SECONDS = 3 * 24 * 3600;

const MACHINES: Record<string, { readonly definition: Definition; readonly text: string }> = {
  'the retro job': { definition: DEFINITION, text: DEFINITION_TEXT },
  'the promotion of an object': { definition: PROMOTE, text: PROMOTE_TEXT },
};

for (const [machine, { definition, text }] of Object.entries(MACHINES)) {
  describe(`the definition of ${machine}`, () => {
    it('is valid Amazon States Language', () => {
      const { isValid, errors } = aslValidator(definition);
      assert.ok(isValid, JSON.stringify(errors));
    });

    it('is written in JSONata alone, and every expression parses', () => {
      assert.equal(definition.QueryLanguage, 'JSONata');
      const expressions = [...strings(definition)].filter((text) => text.startsWith('{%'));
      assert.ok(expressions.length > 20);
      for (const text of expressions) {
        assert.match(text, /%\}$/, text);
        assert.doesNotThrow(() => jsonata(text.slice(2, -2).trim()), text);
      }
    });

    it('stays below the megabyte that Step Functions takes', () => {
      assert.ok(Buffer.byteLength(text) < 1_000_000);
    });

    it('tells a person what each state is for', () => {
      for (const [name, state] of allStates(definition.States)) {
        assert.ok((state.Comment ?? '').length > 20, `${name} has no Comment`);
        assert.ok(name.length <= 80, name);
      }
    });

    it('gives every task a time-out, and every wait for a token a heartbeat', () => {
      for (const [name, state] of tasks(definition)) {
        if (typeof state.TimeoutSeconds === 'string') {
          // a setting: the stack's test has its value
          assert.match(state.TimeoutSeconds, /^\{% \$number\('\$\{\w+Seconds\}'\) %\}$/, name);
        } else {
          assert.ok(state.TimeoutSeconds !== undefined, `${name} has no TimeoutSeconds`);
          assert.ok(state.TimeoutSeconds <= LONGEST_TASK_SECONDS, name);
        }
        if (state.Resource?.endsWith('.waitForTaskToken')) {
          assert.ok(state.HeartbeatSeconds !== undefined, `${name} has no HeartbeatSeconds`);
        }
      }
    });

    it('names only errors that exist', () => {
      assert.equal(FAILURE_NAMES.length, new Set(FAILURE_NAMES).size);
      for (const [name, state] of allStates(definition.States)) {
        for (const error of [...retried(state), ...caught(state), state.Error].map(String)) {
          if (error.startsWith('Lazaret.')) {
            assert.ok(FAILURE_NAMES.includes(error), `${name} names ${error}`);
          }
        }
      }
    });

    it('repeats nothing that would fail again', () => {
      for (const [name, state] of allStates(definition.States)) {
        for (const error of retried(state)) {
          const any = announces(state) ? ['States.ALL'] : ['States.ALL', 'States.TaskFailed'];
          assert.ok(![...any, ...PERMANENT].includes(error), `${name} retries ${error}`);
        }
      }
    });

    it('repeats a function for Lambda’s own errors and for ours that pass', () => {
      for (const [name, state] of functions(definition)) {
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

    it('repeats a function a few times where it died or ran out of time, by every name that AWS has for it', () => {
      const repeated = functions(definition).filter(([, state]) => retried(state).includes('Sandbox.Timedout'));
      assert.ok(repeated.length >= 4);
      for (const [name, state] of repeated) {
        for (const error of [
          'Sandbox.Timedout',
          'Lambda.Unknown',
          'Lambda.ClientExecutionTimeoutException',
          'Runtime.ExitError',
          'States.Timeout',
        ]) {
          const retrier = state.Retry?.find(({ ErrorEquals }) => ErrorEquals.includes(error));
          assert.ok(retrier && retrier.MaxAttempts <= 5, `${name}: ${error}`);
        }
      }
    });

    it('catches errors by name before it catches all', () => {
      for (const [name, state] of allStates(definition.States)) {
        const catchers = state.Catch ?? [];
        const all = catchers.findIndex(({ ErrorEquals }) => ErrorEquals.includes('States.ALL'));
        assert.ok(all === -1 || all === catchers.length - 1, name);
      }
    });

    it('leads from the start to every state', () => {
      const seen = new Set<string>();
      const visit = (name: string | undefined): void => {
        const state = name === undefined ? undefined : definition.States[name];
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
      visit(definition.StartAt);
      assert.deepEqual([...seen].sort(), Object.keys(definition.States).sort());
    });
  });
}

describe('a retro job', () => {
  it('ends by itself after the longest target', () => {
    assert.equal(DEFINITION.TimeoutSeconds, 7 * 24 * 3600 + 3600);
  });

  it('repeats a crawl whose crawler went silent', () => {
    const crawl = allStates().find(([name]) => name === 'Crawl bucket')?.[1];
    assert.ok(crawl && retried(crawl).includes('States.HeartbeatTimeout'));
  });

  it('reaches the tear-down from every step that comes after something was created', () => {
    const afterCheck = Object.entries(DEFINITION.States).filter(
      ([name, { Type }]) =>
        ['Task', 'Map'].includes(Type) && !['Check input', 'Read quota', 'Tear down after failure'].includes(name),
    );
    assert.ok(afterCheck.length >= 8);
    for (const [name, state] of afterCheck) {
      const all = state.Catch?.find(({ ErrorEquals }) => ErrorEquals.includes('States.ALL'));
      assert.equal(all?.Next, 'Tear down after failure', name);
    }
    assert.equal(DEFINITION.States['Tear down after failure']?.Next, 'Job failed');
    // a job goes on without a quota that can't be read
    assert.equal(DEFINITION.States['Read quota']?.Catch?.[0]?.Next, 'Size fleet');
  });

  it('fails a bad input before anything is created', () => {
    assert.equal(DEFINITION.States['Check input']?.Catch?.[0]?.Next, 'Job failed');
  });

  it('crawls only once its window is over: an activation’s ends when events surely tell of what is newer', () => {
    const { Type, Timestamp, Next } = DEFINITION.States['Let window end'] ?? { Type: 'none' };
    assert.deepEqual([Type, Timestamp, Next], ['Wait', '{% $job.window.to %}', 'Open dead-letter queue']);
    assert.equal(DEFINITION.States['Check input']?.Next, 'Let window end');
  });

  it('marks every task of a job as the job’s: the tear-down finds them by it', () => {
    for (const [name, { Resource, Arguments }] of tasks(DEFINITION).filter(([, { Resource }]) =>
      Resource?.includes('runTask'),
    )) {
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

describe('the promotion’s patience', () => {
  const steps = functions(PROMOTE);

  it('with what passes is an hour at each step, if chance halves each wait', () => {
    assert.equal(steps.length, 4);
    for (const [name, state] of steps) {
      const retrier = state.Retry?.find(({ ErrorEquals }) => ErrorEquals.includes('Lazaret.Transient'));
      assert.ok(retrier && sum(waits(retrier)) / 2 >= 3600, name);
    }
  });

  it('ends before the execution does, which could announce nothing any more', () => {
    const stepSeconds = PROMOTION_TIMES.STANDARD.stepSeconds;
    const longest = (name: string): number => {
      const state = PROMOTE.States[name];
      assert.ok(state, name);
      const seconds = typeof state.TimeoutSeconds === 'number' ? state.TimeoutSeconds : stepSeconds;
      const retries = (state.Retry ?? []).flatMap(waits);
      return seconds * (1 + retries.length) + sum(retries);
    };
    for (const step of ['Promote', 'Quarantine', 'Hold']) {
      const way = ['Read verdict', step, 'Announce result', 'Notify', 'Announce failure', 'Notify of failure'];
      assert.ok(sum(way.map(longest)) < PROMOTE.TimeoutSeconds, step);
    }
    assert.equal(PROMOTE.TimeoutSeconds, PROMOTION_TIMES.STANDARD.machineSeconds);
  });
});

/** Before each of its attempts, at the longest. */
function waits({ IntervalSeconds, BackoffRate, MaxDelaySeconds, MaxAttempts }: Retrier): number[] {
  return Array.from({ length: MaxAttempts }, (_, attempt) =>
    Math.min(IntervalSeconds * (BackoffRate ?? 2) ** attempt, MaxDelaySeconds ?? Number.POSITIVE_INFINITY),
  );
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function tasks({ States }: Definition): [string, State][] {
  return allStates(States).filter(([, { Type }]) => Type === 'Task');
}

function functions(definition: Definition): [string, State][] {
  return tasks(definition).filter(([, { Resource }]) => Resource?.endsWith(':lambda:invoke'));
}

/** AWS lists no names for what these two integrations fail with. */
function announces({ Resource }: State): boolean {
  return ['arn:aws:states:::events:putEvents', 'arn:aws:states:::sns:publish'].includes(Resource ?? '');
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
