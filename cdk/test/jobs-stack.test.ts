import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import { ACCOUNT, DEFINITION_TEXT, deployment, flat, type Json, only, REGION, resources, templates } from './support';

const { jobs: aws, network } = templates(deployment('aws'));
const existing = templates(deployment('aws', { architecture: 'x86_64', vpcId: 'vpc-1', subnetIds: 'subnet-1' }));
const x86 = existing.jobs;
const local = templates(deployment('local')).jobs;

interface Container {
  readonly Name: string;
  readonly Image: Json;
  readonly Environment: { Name: string; Value: Json }[];
  readonly [field: string]: unknown;
}

describe('the state machine', () => {
  const machine = only(aws, 'AWS::StepFunctions::StateMachine');
  const substitutions = substitutionsOf(aws);

  it('is the definition of statemachines/, under the name that everybody knows', () => {
    assert.equal(machine.StateMachineName, 'lazaret-retro-job');
    assert.equal(machine.DefinitionString, DEFINITION_TEXT);
  });

  it('has a value for each placeholder and no other', () => {
    const placeholders = new Set([...DEFINITION_TEXT.matchAll(/\$\{([A-Za-z]+)\}/g)].map(([, name]) => name));
    assert.deepEqual(Object.keys(substitutions).sort(), [...placeholders].sort());
  });

  it('calls each function for its own step', () => {
    const functions = resources(aws, 'AWS::Lambda::Function');
    for (const [placeholder, handler] of Object.entries({
      CheckInputArn: 'check_input',
      SizeFleetArn: 'size_fleet',
      CheckDrainArn: 'check_drain',
      ReportArn: 'report',
      TearDownArn: 'tear_down',
    })) {
      const [logicalId] = (substitutions[placeholder] as { 'Fn::GetAtt': string[] })['Fn::GetAtt'];
      assert.equal(functions[logicalId ?? '']?.Properties.Handler, handler);
    }
  });

  it('builds queue ARNs and launches by family', () => {
    assert.equal(flat(substitutions.QueueArnPrefix), `arn:<AWS::Partition>:sqs:${REGION}:${ACCOUNT}:`);
    assert.equal(substitutions.CrawlerTaskDefinition, 'lazaret-crawler');
    assert.equal(substitutions.AgentTaskDefinition, 'lazaret-agent');
  });

  it('logs every event, and no data: task tokens are data', () => {
    const { IncludeExecutionData, Level } = machine.LoggingConfiguration as Record<string, Json>;
    assert.deepEqual([IncludeExecutionData, Level], [false, 'ALL']);
  });

  it('uses the subnets of an existing VPC without a look-up', () => {
    assert.equal(substitutionsOf(x86).SubnetIds, 'subnet-1');
    assert.equal(Object.keys(resources(existing.network, 'AWS::EC2::VPC')).length, 0);
    assert.equal(only(existing.network, 'AWS::EC2::SecurityGroup').VpcId, 'vpc-1');
  });
});

describe('the tasks', () => {
  const REQUIRED = {
    agent: [
      'LAZARET_DEFINITIONS',
      'LAZARET_DEFINITIONS_MAX_AGE_SECONDS',
      'LAZARET_DEFINITIONS_POLL_SECONDS',
      'LAZARET_ENGINE',
      'LAZARET_ENGINE_LIMITS',
      'LAZARET_FETCH_BYTES',
      'LAZARET_IDLE_SECONDS',
      'LAZARET_PROGRESS_SECONDS',
      'LAZARET_PROMOTE_STATE_MACHINE_ARN',
      'LAZARET_QUARANTINE_BUCKET',
      'LAZARET_RESULTS_BUCKET',
      'LAZARET_SCAN_SECONDS',
      'LAZARET_SCAN_WORKERS',
      'LAZARET_SCRATCH_DIR',
      'LAZARET_VERDICT_CACHE_ENTRIES',
      'LAZARET_VISIBILITY_SECONDS',
    ],
    crawler: [
      'LAZARET_HEARTBEAT_SECONDS',
      'LAZARET_PACKET_BYTES',
      'LAZARET_PACKET_OBJECTS',
      'LAZARET_PROGRESS_SECONDS',
      'LAZARET_RESULTS_BUCKET',
    ],
  };

  for (const [profile, template] of Object.entries({ aws, x86, local })) {
    for (const [worker, variables] of Object.entries(REQUIRED)) {
      it(`tell the ${worker} what ARCHITECTURE.md promises (${profile})`, () => {
        const { environment } = task(template, worker);
        const ours = Object.keys(environment).filter((name) => name.startsWith('LAZARET_'));
        assert.deepEqual(ours.sort(), variables);
        for (const [name, value] of Object.entries(environment)) {
          assert.notEqual(flat(value), '', name);
        }
      });
    }

    it(`write nowhere but their scratch, and have no capability (${profile})`, () => {
      for (const worker of Object.keys(REQUIRED)) {
        const { container } = task(template, worker);
        assert.equal(container.ReadonlyRootFilesystem, true);
        assert.deepEqual(container.LinuxParameters, { Capabilities: { Drop: ['ALL'] }, InitProcessEnabled: true });
        assert.equal(container.StopTimeout, 120);
      }
      const { container } = task(template, 'agent');
      const [mount] = container.MountPoints as { ContainerPath: string; ReadOnly: boolean }[];
      assert.equal(mount?.ReadOnly, false);
      assert.equal(task(template, 'crawler').container.MountPoints, undefined);
    });
  }

  it('run for the architecture that was chosen', () => {
    const architecture = (template: Template): unknown =>
      (task(template, 'agent').properties.RuntimePlatform as Record<string, Json>).CpuArchitecture;
    assert.deepEqual([architecture(aws), architecture(x86)], ['ARM64', 'X86_64']);
    const functions = (template: Template): unknown[] => ours(template).map(({ Architectures }) => Architectures);
    assert.ok(functions(aws).every((value) => JSON.stringify(value) === '["arm64"]'));
    assert.ok(functions(x86).every((value) => JSON.stringify(value) === '["x86_64"]'));
  });

  it('are images of the repository on AWS, and names of the local runner in the local cloud', () => {
    assert.match(flat(task(aws, 'agent').container.Image), /dkr\.ecr/);
    assert.equal(task(local, 'agent').container.Image, 'lazaret/agent:local');
    assert.equal(task(local, 'crawler').container.Image, 'lazaret/crawler:local');
  });

  it('beat several times before Step Functions gives a crawler up', () => {
    for (const template of [aws, local]) {
      const limit = Number(substitutionsOf(template).HeartbeatSeconds);
      const beat = Number(task(template, 'crawler').environment.LAZARET_HEARTBEAT_SECONDS);
      assert.ok(beat >= 1 && beat * 3 <= limit, `${beat} of ${limit}`);
    }
  });

  it('hide packets for as long as the agents believe', () => {
    for (const template of [aws, local]) {
      assert.equal(
        task(template, 'agent').environment.LAZARET_VISIBILITY_SECONDS,
        substitutionsOf(template).VisibilitySeconds,
      );
    }
  });

  it('stand in a network that nothing enters', () => {
    for (const { Properties } of Object.values(resources(network, 'AWS::EC2::SecurityGroup'))) {
      assert.equal(Properties.SecurityGroupIngress, undefined);
    }
    assert.equal(Object.keys(resources(network, 'AWS::EC2::SecurityGroupIngress')).length, 0);
    assert.equal(Object.keys(resources(network, 'AWS::EC2::NatGateway')).length, 0);
    assert.match(flat(only(network, 'AWS::EC2::VPCEndpoint').ServiceName), /\.s3$/);
  });
});

describe('the functions', () => {
  const REQUIRED: Record<string, string[]> = {
    'lazaret-check-input': [],
    'lazaret-size-fleet': [
      'LAZARET_AGENT_VCPUS',
      'LAZARET_MAX_AGENTS',
      'LAZARET_QUOTA_SHARE',
      'LAZARET_REFINE_SIZING',
      'LAZARET_SCAN_WORKERS',
      'LAZARET_SECONDS_PER_BYTE',
      'LAZARET_SECONDS_PER_OBJECT',
      'LAZARET_STARTUP_SECONDS',
    ],
    'lazaret-check-drain': ['LAZARET_AGENT_FAMILY', 'LAZARET_CLUSTER', 'LAZARET_MAX_AGENTS', 'LAZARET_POLL_SECONDS'],
    'lazaret-report': [],
    'lazaret-tear-down': ['LAZARET_CLUSTER'],
  };

  for (const [profile, template] of Object.entries({ aws, local })) {
    it(`are five programs of one file, told what ARCHITECTURE.md promises (${profile})`, () => {
      const functions = ours(template);
      assert.deepEqual(functions.map(({ FunctionName }) => FunctionName).sort(), Object.keys(REQUIRED).sort());
      assert.equal(new Set(functions.map(({ Code }) => JSON.stringify(Code))).size, 1);
      for (const { FunctionName, Environment, Runtime, Handler } of functions) {
        assert.equal(Runtime, 'provided.al2023');
        assert.equal(FunctionName, `lazaret-${String(Handler).replaceAll('_', '-')}`);
        const { Variables } = Environment as { Variables: Record<string, Json> };
        const names = Object.keys(Variables).filter((name) => name.startsWith('LAZARET_'));
        assert.deepEqual(names.sort(), [...(REQUIRED[String(FunctionName)] ?? []), 'LAZARET_RESULTS_BUCKET'].sort());
      }
    });
  }

  it('know where the local cloud is, and on AWS of no such place', () => {
    const endpoints = (template: Template): unknown[] =>
      ours(template).map(
        ({ Environment }) => (Environment as { Variables: Record<string, Json> }).Variables.AWS_ENDPOINT_URL,
      );
    assert.deepEqual(new Set(endpoints(local)), new Set(['http://127.0.0.1:4566']));
    assert.deepEqual(new Set(endpoints(aws)), new Set([undefined]));
  });
});

describe('the tear-down rule', () => {
  const rule = only(aws, 'AWS::Events::Rule');

  it('hears of every end that runs no Catch, of this state machine alone', () => {
    const pattern = rule.EventPattern as Record<string, Json>;
    assert.deepEqual(pattern.source, ['aws.states']);
    assert.deepEqual(pattern['detail-type'], ['Step Functions Execution Status Change']);
    const detail = pattern.detail as Record<string, Json[]>;
    assert.deepEqual(detail.status, ['FAILED', 'ABORTED', 'TIMED_OUT']);
    assert.deepEqual(detail.stateMachineArn?.map(flat), [
      `arn:<AWS::Partition>:states:${REGION}:${ACCOUNT}:stateMachine:lazaret-retro-job`,
    ]);
  });

  it('hands the event to the function that tears down, and keeps what it could not deliver', () => {
    const [target] = rule.Targets as Record<string, Json>[];
    assert.match(flat(target?.Arn), /teardown/i);
    assert.ok(target?.DeadLetterConfig && target.RetryPolicy);
    assert.match(JSON.stringify(only(aws, 'AWS::Lambda::EventInvokeConfig').DestinationConfig), /OnFailure/);
  });

  it('keeps its dead letters where no job’s tear-down deletes them', () => {
    assert.ok(!String(only(aws, 'AWS::SQS::Queue').QueueName).startsWith('lazaret-job-'));
  });
});

describe('the alarms', () => {
  it('tell a topic where there is one, and else nobody', () => {
    for (const { Properties } of Object.values(resources(aws, 'AWS::CloudWatch::Alarm'))) {
      assert.equal(Properties.AlarmActions, undefined);
    }
    const topic = `arn:aws:sns:${REGION}:${ACCOUNT}:operators`;
    const told = templates(deployment('local', { alarmTopicArn: topic })).jobs;
    for (const { Properties } of Object.values(resources(told, 'AWS::CloudWatch::Alarm'))) {
      assert.deepEqual(Properties.AlarmActions, [topic]);
    }
  });
});

describe('a deployment', () => {
  it('tells the state machine’s ARN', () => {
    const outputs = Object.keys(aws.findOutputs('*')).filter((name) => !name.startsWith('PublishOutput'));
    assert.deepEqual(outputs, ['StateMachineArn']);
  });

  it('needs nothing locally that the emulator lacks', () => {
    const types = new Set(
      Object.values(local.toJSON().Resources as Record<string, { Type: string }>).map(({ Type }) => Type),
    );
    for (const type of types) {
      assert.ok(!/^Custom::|NatGateway|EIP|FlowLog|SecurityGroup(In|E)gress|CapacityProvider/.test(type), type);
    }
    assert.equal(local.toJSON().Rules, undefined, 'a local deployment asks for a bootstrap');
  });
});

/** Our functions: those of CDK's custom resources have no name. */
function ours(template: Template): Record<string, Json>[] {
  return Object.values(resources(template, 'AWS::Lambda::Function'))
    .map(({ Properties }) => Properties)
    .filter(({ FunctionName }) => FunctionName !== undefined);
}

function substitutionsOf(template: Template): Record<string, Json> {
  return only(template, 'AWS::StepFunctions::StateMachine').DefinitionSubstitutions as Record<string, Json>;
}

function task(template: Template, worker: string) {
  for (const { Properties } of Object.values(resources(template, 'AWS::ECS::TaskDefinition'))) {
    const [container] = Properties.ContainerDefinitions as unknown as Container[];
    if (container?.Name === worker) {
      assert.equal(Properties.Family, `lazaret-${worker}`);
      return {
        properties: Properties,
        container,
        environment: Object.fromEntries(container.Environment.map(({ Name, Value }) => [Name, Value])),
      };
    }
  }
  throw new Error(`no task definition has a container ${worker}`);
}
