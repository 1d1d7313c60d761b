import assert from 'node:assert/strict';
import jsonata from 'jsonata';
import type { State } from './support';

/** An error as Step Functions knows it: a name and a cause. */
export class TaskError extends Error {
  constructor(
    readonly error: string,
    readonly why?: string,
  ) {
    super(error);
  }
}

/** How an execution ended, and which states it went through. */
export interface Ended {
  readonly status: 'SUCCEEDED' | 'FAILED';
  readonly output?: unknown;
  readonly error?: unknown;
  readonly cause?: unknown;
  readonly states: readonly string[];
}

/** Answers for a task: its state's name and its evaluated Arguments. May throw a [`TaskError`]. */
export type Answer = (state: string, task: Record<string, unknown>, input: unknown) => unknown;

type Bindings = Record<string, unknown>;

/** Evaluates a state's field as Step Functions does: `{% … %}` is JSONata over `$states` and the variables. */
export async function evaluate(value: unknown, bindings: Bindings): Promise<unknown> {
  if (typeof value === 'string' && value.startsWith('{%')) {
    const expression = jsonata(value.slice(2, -2).trim());
    // Step Functions' own addition to JSONata
    expression.registerFunction('parse', (text: string) => JSON.parse(text));
    const result = await expression.evaluate(undefined, bindings);
    assert.notEqual(result, undefined, `Step Functions fails on an expression without a value: ${value}`);
    return JSON.parse(JSON.stringify(result));
  }
  if (Array.isArray(value)) {
    return await Promise.all(value.map((inner) => evaluate(inner, bindings)));
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(async ([key, inner]) => [key, await evaluate(inner, bindings)] as const);
    return Object.fromEntries(await Promise.all(entries));
  }
  return value;
}

/**
 * Walks a JSONata state machine. It knows what ours use: no retries (an error is met as the last one), no time, Maps
 * one item after the other.
 */
export class Execution {
  private readonly visited: string[] = [];

  constructor(
    private readonly context: Readonly<Record<string, unknown>>,
    private readonly answer: Answer,
  ) {}

  async run(machine: { StartAt: string; States: Record<string, State> }, input: unknown): Promise<Ended> {
    try {
      const output = await this.walk(machine, input, {});
      return { status: 'SUCCEEDED', output, states: this.visited };
    } catch (error) {
      if (error instanceof TaskError) {
        return { status: 'FAILED', error: error.error, cause: error.why, states: this.visited };
      }
      throw error;
    }
  }

  private async walk(
    machine: { StartAt: string; States: Record<string, State> },
    input: unknown,
    variables: Bindings,
  ): Promise<unknown> {
    let current: string | undefined = machine.StartAt;
    let value = input;
    while (current !== undefined) {
      const state: State | undefined = machine.States[current];
      assert.ok(state, `${current} is not there`);
      this.visited.push(current);
      assert.ok(this.visited.length < 500, 'the execution goes round in circles');
      const step: { next: string | undefined; output: unknown } = await this.step(current, state, value, variables);
      value = step.output;
      current = step.next;
    }
    return value;
  }

  private async step(
    name: string,
    state: State,
    input: unknown,
    variables: Bindings,
  ): Promise<{ next: string | undefined; output: unknown }> {
    const base = { input, context: this.context };
    const bind = (more: Bindings): Bindings => ({ ...variables, states: { ...base, ...more } });
    // all of a state's fields see the variables as they were before it
    const leave = async (from: { Output?: unknown; Assign?: unknown }, otherwise: unknown, more: Bindings) => {
      const bindings = bind(more);
      const output = from.Output === undefined ? otherwise : await evaluate(from.Output, bindings);
      Object.assign(variables, await evaluate(from.Assign ?? {}, bindings));
      return output;
    };
    switch (state.Type) {
      case 'Succeed':
        return { next: undefined, output: await leave(state, input, {}) };
      case 'Fail':
        throw new TaskError(
          String(await evaluate(state.Error, bind({}))),
          String(await evaluate(state.Cause, bind({}))),
        );
      case 'Wait':
        if (state.Timestamp === undefined) {
          assert.ok(Number.isInteger(await evaluate(state.Seconds, bind({}))), `${name}: Seconds`);
        } else {
          const until = await evaluate(state.Timestamp, bind({}));
          assert.match(String(until), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, `${name}: Timestamp`);
        }
        return { next: state.Next, output: await leave(state, input, {}) };
      case 'Pass':
        return { next: state.Next, output: await leave(state, input, {}) };
      case 'Choice':
        for (const choice of state.Choices ?? []) {
          const met = await evaluate(choice.Condition, bind({}));
          assert.equal(typeof met, 'boolean', `${name}: Condition`);
          if (met) {
            return { next: choice.Next, output: await leave(choice, input, {}) };
          }
        }
        return { next: state.Default, output: await leave(state, input, {}) };
    }
    try {
      const result =
        state.Type === 'Map'
          ? await this.map(state, bind({}), variables)
          : await this.task(name, state, bind({}), input);
      return { next: state.Next, output: await leave(state, result, { result }) };
    } catch (error) {
      const catcher = error instanceof TaskError ? catcherOf(state, error) : undefined;
      if (!(error instanceof TaskError) || catcher === undefined) {
        throw error;
      }
      const errorOutput = { Error: error.error, ...(error.why === undefined ? {} : { Cause: error.why }) };
      return { next: catcher.Next, output: await leave(catcher, errorOutput, { errorOutput }) };
    }
  }

  private async task(name: string, state: State, bindings: Bindings, input: unknown): Promise<unknown> {
    const call = (await evaluate(state.Arguments, bindings)) as Record<string, unknown>;
    const result = this.answer(name, call, input);
    return state.Resource?.endsWith(':lambda:invoke') ? { StatusCode: 200, Payload: result } : result;
  }

  private async map(state: State, bindings: Bindings, variables: Bindings): Promise<unknown[]> {
    const items = await evaluate(state.Items, bindings);
    assert.ok(Array.isArray(items) && state.ItemProcessor, 'a Map needs an array');
    const results = [];
    for (const item of items) {
      // an item sees the variables of the outside and keeps its own to itself
      results.push(await this.walk(state.ItemProcessor, item, { ...variables }));
    }
    return results;
  }
}

function catcherOf(state: State, { error }: TaskError) {
  return state.Catch?.find(({ ErrorEquals }) => ErrorEquals.includes(error) || ErrorEquals.includes('States.ALL'));
}
