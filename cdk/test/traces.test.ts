import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Statements } from './statements';
import { CERTIFICATE, deployment, type Json, resources, templates } from './support';

const API = { apiEnabled: true, apiCertificateArn: CERTIFICATE };
const SEND = ['xray:PutTelemetryRecords', 'xray:PutTraceSegments'];
type Container = { readonly [property: string]: Json };

/** Containers of all task definitions, by family. */
function containers(context: Record<string, unknown>): Record<string, Container[]> {
  const all = Object.values(templates(deployment('aws', context))).flatMap((template) =>
    template === undefined ? [] : Object.values(resources(template, 'AWS::ECS::TaskDefinition')),
  );
  return Object.fromEntries(
    all.map(({ Properties }) => [String(Properties.Family), Properties.ContainerDefinitions as Container[]]),
  );
}

function variables(container: Container | undefined): Record<string, string> {
  const environment = container?.Environment as { Name: string; Value: string }[];
  return Object.fromEntries(environment.map(({ Name, Value }) => [Name, Value]));
}

describe('traces', () => {
  const on = { ...API, traces: true, traceRate: 0.5 };
  const traced = containers(on);

  it('are collected beside event agents and servers, and nowhere else', () => {
    const beside = Object.entries(traced).filter(([, all]) => all.length > 1);
    assert.deepEqual(beside.map(([family]) => family).sort(), ['lazaret-api', 'lazaret-event-agent']);
    for (const [family, [program, collector, ...others]] of beside) {
      assert.deepEqual(others, [], family);
      assert.deepEqual([collector?.Essential, collector?.ReadonlyRootFilesystem], [false, true]);
      assert.match(String(collector?.Image), /aws-otel-collector:v/);
      const { receivers, service } = JSON.parse(variables(collector).AOT_CONFIG_CONTENT ?? '');
      assert.deepEqual(Object.keys(receivers), ['awsxray']);
      // what listens does so within the task
      assert.match(receivers.awsxray.endpoint, /^127\.0\.0\.1:/);
      assert.match(receivers.awsxray.proxy_server.endpoint, /^127\.0\.0\.1:/);
      assert.deepEqual(service.pipelines.traces, { receivers: ['awsxray'], exporters: ['awsxray'] });
      const told = variables(program);
      assert.equal(told.AWS_XRAY_DAEMON_ADDRESS, receivers.awsxray.endpoint);
      assert.equal(told.LAZARET_TRACE_RATE, '0.5');
    }
  });

  it('take the image of the owner’s ECR by tag or digest', () => {
    for (const reference of [':v0.40.0', `@sha256:${'0a'.repeat(32)}`]) {
      const traceImage = `123456789012.dkr.ecr.eu-west-1.amazonaws.com/tools/collector${reference}`;
      const [, collector] = containers({ ...on, traceImage })['lazaret-event-agent'] ?? [];
      const image = JSON.stringify(collector?.Image);
      assert.ok(image.includes('.dkr.ecr.eu-west-1.') && image.includes(`/tools/collector${reference}`), image);
      assert.ok(
        new Statements('events', { ...on, traceImage })
          .may('AgentWorkerDefinitionExecutionRole')
          .has('ecr:BatchGetImage'),
      );
    }
  });

  it('may be sent by those roles, and nothing more', () => {
    for (const [stack, role] of [
      ['api', 'ApiWorkerTaskRole'],
      ['events', 'AgentWorkerTaskRole'],
    ] as const) {
      const may = (context: object): string[] =>
        [...new Statements(stack, { ...API, ...context }).may(role)].filter((action) => action.startsWith('xray:'));
      assert.deepEqual(may({ traces: true }).sort(), SEND);
      assert.deepEqual(may({}), []);
    }
  });

  it('are told by both state machines and every function', () => {
    const all = Object.values(templates(deployment('aws', on))).filter((template) => template !== undefined);
    const machines = all.flatMap((template) => Object.values(resources(template, 'AWS::StepFunctions::StateMachine')));
    assert.deepEqual(
      machines.map(({ Properties }) => Properties.TracingConfiguration),
      [{ Enabled: true }, { Enabled: true }],
    );
    const ours = all
      .flatMap((template) => Object.values(resources(template, 'AWS::Lambda::Function')))
      .filter(({ Properties }) => String(Properties.FunctionName).startsWith('lazaret-'));
    assert.ok(ours.length >= 10);
    assert.ok(ours.every(({ Properties }) => JSON.stringify(Properties.TracingConfig) === '{"Mode":"Active"}'));
  });

  it('are off by default', () => {
    const off = containers(API);
    assert.ok(Object.values(off).every((all) => all.length === 1));
    assert.ok(Object.values(off).every(([program]) => variables(program).AWS_XRAY_DAEMON_ADDRESS === undefined));
  });
});
