import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import { REPOSITORY_ROOT } from '../lib/repository';
import { CERTIFICATE, deployment, flat, type Json, only, resources, templates } from './support';

const API = { apiEnabled: true, apiCertificateArn: CERTIFICATE };
const all = templates(deployment('aws', API));
const operation = all.operation;
assert.ok(operation);

const read = (...parts: string[]): string => fs.readFileSync(path.join(REPOSITORY_ROOT, ...parts), 'utf8');
const everyone = Object.values(all);
const alarms = everyone
  .flatMap((template) => Object.values(resources(template, 'AWS::CloudWatch::Alarm')))
  .map(({ Properties }) => Properties)
  .filter(({ AlarmName }) => !String(AlarmName).startsWith('lazaret-events-scaling-'));

describe('the alarms of all stacks and docs/runbook.md', () => {
  it('name each other: an alarm its section, and a section its alarms', () => {
    const fromAlarms = alarms.map(({ AlarmName, AlarmDescription }) => {
      const [, section] = /docs\/runbook\.md#([a-z-]+)$/.exec(String(AlarmDescription)) ?? [];
      return `${section}: ${AlarmName}`;
    });
    const fromRunbook = read('docs', 'runbook.md')
      .split(/^## /m)
      .slice(1)
      .flatMap((section) => {
        const anchor = (section.split('\n')[0] ?? '')
          .toLowerCase()
          .replaceAll(/[^a-z -]/g, '')
          .replaceAll(' ', '-');
        const [, names = ''] = /^\*\*Alarms?\.\*\* (.*)$/m.exec(section) ?? [];
        return [...names.matchAll(/`([a-z-]+)`/g)].map(([, name]) => `${anchor}: ${name}`);
      });
    assert.deepEqual(fromAlarms.sort(), fromRunbook.sort());
    assert.ok(fromAlarms.length >= 22, String(fromAlarms.length));
  });
});

describe('the dashboard', () => {
  const body = flat(only(operation, 'AWS::CloudWatch::Dashboard').DashboardBody);

  it('shows the state of every alarm that a person answers for', () => {
    for (const { AlarmName } of alarms) {
      assert.match(body, new RegExp(`:alarm:${AlarmName}"`));
    }
    assert.doesNotMatch(body, /events-scaling/);
  });

  it('asks for nothing of ours that no program tells, and no alarm does', () => {
    const told = metricsOfPrograms();
    const asked = new Set([...JSON.stringify(everyone.map((template) => template.toJSON())).matchAll(OURS)].map(name));
    for (const metric of [...body.matchAll(/\["Lazaret","(\w+)"/g)].map(([, name]) => name as string)) {
      asked.add(metric);
    }
    assert.ok(asked.size > 25, [...asked].join());
    assert.deepEqual(
      [...asked].filter((metric) => !told.has(metric)),
      [],
    );
  });

  it('shows jobs, events, promotions, dead letters and the API', () => {
    for (const part of [
      'stateMachine:lazaret-retro-job',
      'stateMachine:lazaret-promote-object',
      '"AWS/SQS","ApproximateAgeOfOldestMessage","QueueName","lazaret-events"',
      '"lazaret-events-dead"',
      'TargetResponseTime',
      'DefinitionsInForceAgeSeconds',
      'StagingWaitSeconds',
    ]) {
      assert.ok(body.includes(part), part);
    }
    const { DashboardBody } = only(templatesWithoutApi(), 'AWS::CloudWatch::Dashboard');
    assert.doesNotMatch(flat(DashboardBody), /"Api/);
  });

  it('shows nothing of what is not deployed, and nobody asks its logs', () => {
    const { operation: alone } = templates(deployment('aws', { ...API, jobsEnabled: false, eventsEnabled: false }));
    assert.ok(alone);
    const { DashboardBody } = only(alone, 'AWS::CloudWatch::Dashboard');
    assert.doesNotMatch(flat(DashboardBody), /"(Jobs|Events|Staging)|lazaret-retro-job/);
    assert.match(flat(DashboardBody), /ApiClean/);
    const asked = Object.values(resources(alone, 'AWS::Logs::QueryDefinition')).flatMap(
      ({ Properties }) => Properties.LogGroupNames as string[],
    );
    assert.deepEqual([...new Set(asked)].sort(), ['/lazaret/api', '/lazaret/functions/lazaret-watch-definitions']);
  });

  it('can be left out, the questions to the logs stay', () => {
    const without = templates(deployment('aws', { dashboard: false })).operation;
    assert.ok(without);
    assert.deepEqual(resources(without, 'AWS::CloudWatch::Dashboard'), {});
    assert.ok(Object.keys(resources(without, 'AWS::Logs::QueryDefinition')).length > 5);
    assert.equal(deployment('local').operation, undefined);
  });
});

describe('the questions to the logs', () => {
  const questions = Object.values(resources(operation, 'AWS::Logs::QueryDefinition')).map(
    ({ Properties }) => Properties,
  );
  const query = ({ QueryString }: Record<string, Json>): string => String(QueryString);
  const groupsOf = ({ LogGroupNames }: Record<string, Json>): string[] => LogGroupNames as string[];

  it('are those of docs/logs.md', () => {
    const listed = [...read('docs', 'logs.md').matchAll(/^\| `(lazaret\/[a-z-]+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual(questions.map(({ Name }) => Name).sort(), listed.sort());
  });

  it('go to log groups that are there', () => {
    const groups = everyone.flatMap((template) =>
      Object.values(resources(template, 'AWS::Logs::LogGroup')).map(({ Properties }) => Properties.LogGroupName),
    );
    for (const question of questions) {
      assert.deepEqual(
        groupsOf(question).filter((group) => !groups.includes(group)),
        [],
        String(question.Name),
      );
    }
  });

  it('use fields and messages that a program of each log group writes', () => {
    for (const question of questions) {
      const text = query(question);
      const logged = groupsOf(question).map(linesOfPrograms).join('\n');
      const dotted = [...text.matchAll(/"([a-z\\._]+)":"\(\?</g)].map(([, field]) =>
        (field as string).replaceAll('\\', ''),
      );
      const plain = [...text.matchAll(/\b(?:fields|span)\.([a-z_]+)/g)].map(([, field]) => field as string);
      for (const field of new Set([...dotted, ...plain])) {
        const written = new RegExp(`[(,]\\s*[%?]?${field.replaceAll('.', '\\.')}\\s*[=,)]`);
        assert.ok(field === 'message' || written.test(logged), `${question.Name}: no line has ${field}`);
      }
      for (const [, message] of text.matchAll(/"((?:The|A) [^"]+|Answered)"/g)) {
        assert.ok(logged.includes(`"${message}"`), `${question.Name}: no line says ${message}`);
      }
    }
  });

  it('would be found out if no line had their field', () => {
    const packet = /[(,]\s*[%?]?packet\.id\s*[=,)]/;
    assert.deepEqual(
      [packet.test(linesOfPrograms('/lazaret/crawler')), packet.test(linesOfPrograms('/lazaret/agent'))],
      [false, true],
    );
  });
});

const OURS = /"MetricName":"(\w+)","Namespace":"Lazaret"/g;
const name = ([, metric]: RegExpMatchArray): string => metric as string;

function templatesWithoutApi(): NonNullable<typeof operation> {
  const without = templates(deployment('aws')).operation;
  assert.ok(without);
  return without;
}

/** A test in Rust holds that each of these is told. */
function metricsOfPrograms(): Set<string> {
  const names = read('workers', 'model', 'src', 'metrics', 'names.rs');
  return new Set([...names.matchAll(/Metric::\w+\("(\w+)"\)/g)].map(name));
}

/** The text of every call that writes a line or opens a span, in the programs whose log the group is. */
function linesOfPrograms(group: string): string {
  const folders = group.startsWith('/lazaret/functions/')
    ? ['workers/functions']
    : ({ '/lazaret/api': ['api/src', 'workers/agent/src'], '/lazaret/crawler': ['workers/crawler/src'] }[group] ?? [
        'workers/agent/src',
      ]);
  return folders
    .flatMap((folder) => sourcesBelow(path.join(REPOSITORY_ROOT, folder)))
    .flatMap((text) =>
      [...text.matchAll(/\b(?:info|warn|error|debug|info_span)!\(/g)].map(({ index }) => call(text, index)),
    )
    .join('\n');
}

/** From a macro's name to the bracket that ends its call. */
function call(text: string, begin: number): string {
  let depth = 0;
  for (let at = text.indexOf('(', begin); at < text.length; at += 1) {
    depth += text[at] === '(' ? 1 : text[at] === ')' ? -1 : 0;
    if (depth === 0) {
      return text.slice(begin, at + 1);
    }
  }
  return text.slice(begin);
}

function sourcesBelow(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.rs') && !file.split(path.sep).includes('tests'))
    .map((file) => fs.readFileSync(path.join(folder, file), 'utf8'));
}
