import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { App, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { readSettings, type Settings } from '../lib/config';
import { defineLazaret, defineRegions, type Lazaret } from '../lib/lazaret';
import { PROMOTE_OBJECT_DEFINITION, REPOSITORY_ROOT, RETRO_JOB_DEFINITION } from '../lib/repository';

export const ACCOUNT = '111122223333';
export const REGION = 'eu-central-1';
export const CERTIFICATE = `arn:aws:acm:${REGION}:${ACCOUNT}:certificate/1`;

export type Profile = 'aws' | 'local';

export interface Deployment extends Lazaret {
  readonly app: App;
  readonly settings: Settings;
}

/** The app in one region, with the flags of `cdk.json` and a `bootstrap` that does nothing. */
export function deployment(
  profile: Profile,
  context: Record<string, unknown> = {},
  validation: 'validated' | 'as it is' = 'as it is',
  region = REGION,
): Deployment {
  const app = newApp(profile, context, validation);
  const settings = readSettings(app.node, environment(profile));
  return { app, settings, ...defineLazaret(app, settings, { account: ACCOUNT, region }) };
}

/** The app as `bin/lazaret.ts` defines it, in all of its regions. */
export function deployments(context: Record<string, unknown>): { readonly app: App; readonly regions: Lazaret[] } {
  const app = newApp('aws', context, 'as it is');
  return { app, regions: defineRegions(app, environment('aws'), { account: ACCOUNT, region: REGION }) };
}

function newApp(profile: Profile, context: Record<string, unknown>, validation: 'validated' | 'as it is'): App {
  const flags = JSON.parse(fs.readFileSync(path.join(REPOSITORY_ROOT, 'cdk', 'cdk.json'), 'utf8')).context;
  const outdir = fs.mkdtempSync(path.join(scratch(), 'assembly-'));
  return new App({
    // 5 s of CPU: once is enough
    builtinCloudFormationValidation: validation === 'validated',
    outdir,
    context: {
      ...flags,
      // nothing is deployed: no need to copy the repository for the images
      'aws:cdk:disable-asset-staging': true,
      ...(profile === 'aws' ? { scanBuckets: 'invoices,team-*' } : {}),
      ...context,
    },
  });
}

export function environment(profile: Profile): NodeJS.ProcessEnv {
  const functions = path.join(scratch(), 'functions');
  fs.mkdirSync(functions, { recursive: true });
  fs.writeFileSync(path.join(functions, 'bootstrap'), '#!/bin/sh\n', { mode: 0o755 });
  const common = { LAZARET_FUNCTIONS_DIR: functions };
  return profile === 'aws' ? common : { ...common, LAZARET_LOCAL: '1', AWS_ENDPOINT_URL: 'http://127.0.0.1:4566' };
}

let scratchFolder: string | undefined;

/** A folder of this process's own, gone at its end. */
function scratch(): string {
  if (scratchFolder === undefined) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'lazaret-cdk-'));
    process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
    scratchFolder = folder;
  }
  return scratchFolder;
}

/** Of a stack that is not deployed there is none: to ask for it is an error of the test's. */
export interface Templates {
  readonly storage: Template;
  readonly network: Template;
  readonly jobs: Template;
  readonly events: Template;
  readonly schedules: Template;
  readonly definitions: Template;
  readonly api: Template;
  readonly operation: Template;
}

export function templates(lazaret: Lazaret): Templates {
  const template = (stack: Stack | undefined): Template => {
    assert.ok(stack, 'not deployed');
    return Template.fromStack(stack);
  };
  return {
    get storage() {
      return template(lazaret.storage);
    },
    get network() {
      return template(lazaret.network);
    },
    get jobs() {
      return template(lazaret.jobs);
    },
    get events() {
      return template(lazaret.events);
    },
    get schedules() {
      return template(lazaret.schedules);
    },
    get definitions() {
      return template(lazaret.definitions);
    },
    get api() {
      return template(lazaret.api);
    },
    get operation() {
      return template(lazaret.operation);
    },
  };
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, Json>;
  readonly DeletionPolicy?: string;
}

/** All resources of a type, by logical id. */
export function resources(template: Template, type: string): Record<string, Resource> {
  return template.findResources(type) as Record<string, Resource>;
}

/** The properties of the only resource of a type. */
export function only(template: Template, type: string): Record<string, Json> {
  const [found, ...others] = Object.values(resources(template, type));
  assert.ok(found && others.length === 0, `${others.length + 1} of ${type}`);
  return found.Properties;
}

/** A template's value as text, with references as `<LogicalId>`: for comparing ARNs by eye. */
export function flat(value: Json | undefined): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    if (Array.isArray(value['Fn::Join'])) {
      const [separator, parts] = value['Fn::Join'] as [string, Json[]];
      return parts.map(flat).join(separator);
    }
    const elsewhere = value['Fn::GetStackOutput'] as { [key: string]: Json } | undefined;
    if (elsewhere !== undefined) {
      return `<${elsewhere.StackName}.${elsewhere.OutputName}>`;
    }
    if (typeof value.Ref === 'string') {
      return `<${value.Ref}>`;
    }
    if (Array.isArray(value['Fn::GetAtt'])) {
      return `<${value['Fn::GetAtt'].join('.')}>`;
    }
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** An example of what passes between programs; Rust holds itself to the same files. */
export function contract<T>(name: string): T {
  const file = path.join(REPOSITORY_ROOT, 'tests', 'fixtures', 'contracts', `${name}.json`);
  return JSON.parse(fs.readFileSync(file, 'utf8')) as T;
}

export interface Retrier {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds: number;
  /** @default 2 */
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
  readonly MaxAttempts: number;
}

export interface State {
  readonly Type: string;
  readonly Comment?: string;
  readonly Resource?: string;
  readonly TimeoutSeconds?: number | string;
  readonly HeartbeatSeconds?: number | string;
  readonly Retry?: readonly Retrier[];
  readonly Catch?: readonly {
    readonly ErrorEquals: readonly string[];
    readonly Next: string;
    readonly Assign?: unknown;
    readonly Output?: unknown;
  }[];
  readonly ItemProcessor?: { readonly StartAt: string; readonly States: Record<string, State> };
  readonly Output?: unknown;
  readonly Assign?: unknown;
  readonly Next?: string;
  readonly Default?: string;
  readonly Choices?: readonly { readonly Next: string; readonly Condition: string; readonly Assign?: unknown }[];
  readonly [field: string]: unknown;
}

export interface Definition {
  readonly Comment: string;
  readonly TimeoutSeconds: number;
  readonly QueryLanguage: string;
  readonly StartAt: string;
  readonly States: Record<string, State>;
}

export const DEFINITION_TEXT = fs.readFileSync(RETRO_JOB_DEFINITION, 'utf8');
export const DEFINITION: Definition = JSON.parse(DEFINITION_TEXT);
export const PROMOTE_TEXT = fs.readFileSync(PROMOTE_OBJECT_DEFINITION, 'utf8');
export const PROMOTE: Definition = JSON.parse(PROMOTE_TEXT);

/** Every state, those inside of Maps included. */
export function allStates(states: Record<string, State> = DEFINITION.States): [string, State][] {
  return Object.entries(states).flatMap(([name, state]) => [
    [name, state] as [string, State],
    ...allStates(state.ItemProcessor?.States ?? {}),
  ]);
}
