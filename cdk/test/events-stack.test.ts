import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import {
  ACCOUNT,
  deployment,
  flat,
  type Json,
  only,
  PROMOTE,
  PROMOTE_TEXT,
  REGION,
  resources,
  templates,
} from './support';

const deployed = templates(deployment('aws'));
const aws = deployed.events;
const express = templates(deployment('aws', { promoteType: 'EXPRESS' })).events;
const local = templates(deployment('local')).events;

describe('the way of events', () => {
  const queue = named(aws, 'AWS::SQS::Queue', 'QueueName', 'lazaret-events');

  it('is a topic that only S3 of this account publishes to, over TLS', () => {
    const topic = named(aws, 'AWS::SNS::Topic', 'TopicName', 'lazaret-events');
    // S3 can't publish to a topic under the AWS managed key
    assert.equal(topic.properties.KmsMasterKeyId, undefined);
    const statements = policyOf('AWS::SNS::TopicPolicy', 'Topics', topic.id);
    assert.deepEqual(
      statements.filter(({ Effect }) => Effect === 'Allow').map(({ Principal, Condition }) => [Principal, Condition]),
      [[{ Service: 's3.amazonaws.com' }, { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } }]],
    );
    assert.match(JSON.stringify(statements.filter(({ Effect }) => Effect === 'Deny')), /"aws:SecureTransport":"false"/);
  });

  it('goes on to a queue that only the topic and the rule send to', () => {
    const senders = policyOf('AWS::SQS::QueuePolicy', 'Queues', queue.id)
      .filter(({ Effect }) => Effect === 'Allow')
      .map(({ Principal, Condition }) => [(Principal as { Service: string }).Service, JSON.stringify(Condition)]);
    assert.deepEqual(senders.map(([service]) => service).sort(), ['events.amazonaws.com', 'sns.amazonaws.com']);
    for (const [, condition] of senders) {
      assert.match(condition ?? '', /^\{"ArnEquals":\{"aws:SourceArn":/);
    }
    const { RawMessageDelivery, Protocol } = only(aws, 'AWS::SNS::Subscription');
    assert.deepEqual([RawMessageDelivery, Protocol], [true, 'sqs']);
  });

  it('takes events of EventBridge, too, of the buckets that may be scanned', () => {
    const pattern = (template: Template): unknown =>
      named(template, 'AWS::Events::Rule', 'Name', 'lazaret-object-created').properties.EventPattern;
    const every = { source: ['aws.s3'], 'detail-type': ['Object Created', 'Object Restore Completed'] };
    assert.deepEqual(pattern(aws), { ...every, detail: { bucket: { name: ['invoices', { wildcard: 'team-*' }] } } });
    assert.deepEqual(pattern(local), every);
  });

  it('hides a message for as long as the agents believe, and gives it up after five', () => {
    for (const template of [aws, local]) {
      const { properties } = named(template, 'AWS::SQS::Queue', 'QueueName', 'lazaret-events');
      assert.equal(String(properties.VisibilityTimeout), environment(template).LAZARET_VISIBILITY_SECONDS);
      assert.equal(properties.MessageRetentionPeriod, 14 * 24 * 3600);
      const { deadLetterTargetArn, maxReceiveCount } = properties.RedrivePolicy as Record<string, Json>;
      const dead = named(template, 'AWS::SQS::Queue', 'QueueName', 'lazaret-events-dead');
      assert.deepEqual([flat(deadLetterTargetArn), maxReceiveCount], [`<${dead.id}.Arn>`, 5]);
      assert.equal(dead.properties.MessageRetentionPeriod, 14 * 24 * 3600);
    }
  });

  it('ends in a topic for people, encrypted, since nobody but us publishes to it', () => {
    const { properties } = named(aws, 'AWS::SNS::Topic', 'TopicName', 'lazaret-notifications');
    assert.match(flat(properties.KmsMasterKeyId), /alias\/aws\/sns$/);
  });
});

describe('the event agents', () => {
  const service = only(aws, 'AWS::ECS::Service');

  it('are a service that is replaced without a gap, or not at all', () => {
    assert.equal(service.ServiceName, 'lazaret-events');
    assert.deepEqual(service.DeploymentConfiguration, {
      DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      MaximumPercent: 200,
      MinimumHealthyPercent: 100,
    });
    assert.deepEqual(service.LoadBalancers ?? [], []);
    // the scaling's number; a deployment must not undo it
    assert.equal(service.DesiredCount, undefined);
  });

  it('are the agent of jobs, told where events come from', () => {
    const jobs = environment(deployed.jobs, 'lazaret-agent');
    const events = environment(aws);
    const { LAZARET_OWN_ROLE_IDS, LAZARET_QUEUE_URL, ...constant } = Object.fromEntries(
      Object.entries(events).filter(([name]) => !(name in jobs)),
    );
    assert.deepEqual(constant, {
      LAZARET_WORK: 'events',
      LAZARET_EVENT_BUS: 'default',
      LAZARET_GRACE_SECONDS: '110',
      LAZARET_NOTIFICATIONS_TOPIC_ARN: `arn:<AWS::Partition>:sns:${REGION}:${ACCOUNT}:lazaret-notifications`,
    });
    assert.match(LAZARET_QUEUE_URL ?? '', /^<IntakeQueue/);
    for (const [name, value] of Object.entries(jobs)) {
      assert.equal(events[name], value, name);
    }
    assert.match(jobs.LAZARET_PROMOTE_STATE_MACHINE_ARN ?? '', /:stateMachine:lazaret-promote-object$/);
    assert.match(environment(express).LAZARET_PROMOTE_STATE_MACHINE_ARN ?? '', /:lazaret-promote-object-express$/);
    const image = (template: Template, family: string): unknown => container(template, family).Image;
    assert.deepEqual(image(aws, 'lazaret-event-agent'), image(deployed.jobs, 'lazaret-agent'));
  });

  it('know the roles whose writes are our own: the promotion’s and both agents’', () => {
    const ids = environment(aws).LAZARET_OWN_ROLE_IDS?.split(',') ?? [];
    assert.equal(ids.length, 3);
    assert.match(ids[0] ?? '', /^<FunctionspromoteRole\w+\.RoleId>$/);
    assert.match(ids[1] ?? '', /^<AgentWorkerTaskRole\w+\.RoleId>$/);
    assert.match(ids[2] ?? '', /^<LazaretJobs\..*AgentWorkerTaskRole\w+RoleId/);
  });

  it('have two minutes from SIGTERM, no capability and one folder to write', () => {
    const { StopTimeout, ReadonlyRootFilesystem, LinuxParameters } = container(aws, 'lazaret-event-agent');
    assert.deepEqual([StopTimeout, ReadonlyRootFilesystem], [120, true]);
    // what is then left is given back before SIGKILL
    assert.ok(Number(environment(aws).LAZARET_GRACE_SECONDS) <= 110);
    assert.deepEqual(LinuxParameters, { Capabilities: { Drop: ['ALL'] }, InitProcessEnabled: true });
  });

  it('run in the jobs’ cluster and network', () => {
    assert.match(flat(service.Cluster), /^<LazaretNetwork\..*Cluster/);
    const { AwsvpcConfiguration } = service.NetworkConfiguration as { AwsvpcConfiguration: Record<string, Json[]> };
    assert.equal(AwsvpcConfiguration.Subnets?.length, 2);
    assert.match(flat(AwsvpcConfiguration.SecurityGroups?.[0]), /^<LazaretNetwork\..*Tasks/);
    const elsewhere = templates(deployment('aws', { vpcId: 'vpc-1', subnetIds: 'subnet-1,subnet-2' })).events;
    const { NetworkConfiguration } = only(elsewhere, 'AWS::ECS::Service');
    assert.match(JSON.stringify(NetworkConfiguration), /"Subnets":\["subnet-1","subnet-2"\]/);
  });
});

describe('the state machine of a promotion', () => {
  it('is the definition of statemachines/, as Standard to the letter, as Express with its five minutes', () => {
    const standard = only(aws, 'AWS::StepFunctions::StateMachine');
    assert.deepEqual([standard.StateMachineName, standard.StateMachineType], ['lazaret-promote-object', 'STANDARD']);
    assert.equal(standard.DefinitionString, PROMOTE_TEXT);
    const { StateMachineName, StateMachineType, DefinitionString } = only(express, 'AWS::StepFunctions::StateMachine');
    // another name: CloudFormation replaces a machine whose type changes, and can't under the same one
    assert.deepEqual([StateMachineName, StateMachineType], ['lazaret-promote-object-express', 'EXPRESS']);
    assert.deepEqual(JSON.parse(String(DefinitionString)), { ...PROMOTE, TimeoutSeconds: 300 });
  });

  it('has a value for each placeholder and no other', () => {
    const placeholders = new Set([...PROMOTE_TEXT.matchAll(/\$\{([A-Za-z]+)\}/g)].map(([, name]) => name));
    for (const template of [aws, express, local]) {
      assert.deepEqual(Object.keys(substitutions(template)).sort(), [...placeholders].sort());
    }
  });

  it('gives its function all the time there is, and ends in time to say so', () => {
    for (const [template, machineSeconds] of [
      [aws, PROMOTE.TimeoutSeconds],
      [express, 300],
    ] as const) {
      const step = Number(substitutions(template).StepSeconds);
      const { properties } = named(template, 'AWS::Lambda::Function', 'FunctionName', 'lazaret-promote');
      assert.ok(Number(properties.Timeout) < step, 'the function’s own time-out comes first');
      assert.ok(Number(properties.Timeout) <= 900);
      const { 'Read verdict': read, 'Announce failure': bus, 'Notify of failure': people } = PROMOTE.States;
      const seconds = [read, bus, people].map((state) => Number(state?.TimeoutSeconds));
      assert.ok(step + seconds.reduce((sum, one) => sum + one, 0) < machineSeconds);
    }
  });

  it('logs errors and no data: keys are the owner’s', () => {
    const { IncludeExecutionData, Level } = only(express, 'AWS::StepFunctions::StateMachine')
      .LoggingConfiguration as Record<string, Json>;
    assert.deepEqual([IncludeExecutionData, Level], [false, 'ERROR']);
  });
});

describe('the functions around events', () => {
  const REQUIRED: Record<string, string[]> = {
    'lazaret-promote': ['LAZARET_QUARANTINE_BUCKET'],
    'lazaret-protect-tagged': [
      'LAZARET_ACTIVATION_SETTLE_SECONDS',
      'LAZARET_EVENTS_TOPIC_ARN',
      'LAZARET_STATE_MACHINE_ARN',
    ],
    'lazaret-watch-staging': ['LAZARET_STAGING_LIMIT_SECONDS'],
  };

  for (const [profile, template] of Object.entries({ aws, local })) {
    it(`are three programs of the same file as the jobs’, told what ARCHITECTURE.md promises (${profile})`, () => {
      const functions = Object.values(resources(template, 'AWS::Lambda::Function')).map(({ Properties }) => Properties);
      assert.deepEqual(functions.map(({ FunctionName }) => FunctionName).sort(), Object.keys(REQUIRED).sort());
      for (const { FunctionName, Handler, Environment } of functions) {
        assert.equal(FunctionName, `lazaret-${String(Handler).replaceAll('_', '-')}`);
        const { Variables } = Environment as { Variables: Record<string, Json> };
        const names = Object.keys(Variables).filter((name) => name.startsWith('LAZARET_'));
        assert.deepEqual(names.sort(), [...(REQUIRED[String(FunctionName)] ?? []), 'LAZARET_RESULTS_BUCKET'].sort());
      }
    });
  }

  it('look every five minutes, and at once where CloudTrail tells of a tag', () => {
    const look = named(aws, 'AWS::Events::Rule', 'Name', 'lazaret-look').properties;
    assert.equal(look.ScheduleExpression, 'rate(5 minutes)');
    assert.equal((look.Targets as Json[]).length, 2);
    const tagged = named(aws, 'AWS::Events::Rule', 'Name', 'lazaret-bucket-tagged').properties;
    assert.deepEqual((tagged.EventPattern as { detail: Json }).detail, {
      eventSource: ['s3.amazonaws.com'],
      eventName: ['CreateBucket', 'PutBucketTagging', 'DeleteBucketTagging'],
    });
    assert.match(JSON.stringify(tagged.Targets), /protecttagged/);
  });
});

describe('the functions around events, by number', () => {
  const functions = (template: Template): Record<string, Record<string, Json>> =>
    Object.fromEntries(
      Object.values(resources(template, 'AWS::Lambda::Function')).map(({ Properties }) => [
        String(Properties.FunctionName),
        Properties,
      ]),
    );
  const reserved = (template: Template): unknown[] =>
    ['lazaret-promote', 'lazaret-protect-tagged', 'lazaret-watch-staging'].map(
      (name) => functions(template)[name]?.ReservedConcurrentExecutions,
    );

  it('leave the account most of its Lambda, and two looks never overlap', () => {
    assert.deepEqual(reserved(aws), [200, 1, 1]);
    assert.deepEqual(reserved(templates(deployment('aws', { promoteConcurrency: 20 })).events), [20, 1, 1]);
  });

  it('reserve nothing where the quota is small, and in the local cloud, whose tests call them at any time', () => {
    const none = [undefined, undefined, undefined];
    assert.deepEqual(reserved(templates(deployment('aws', { promoteConcurrency: 0 })).events), none);
    assert.deepEqual(reserved(local), none);
  });

  it('that look are not called again by Lambda: the next look makes up for it', () => {
    for (const template of [aws, local]) {
      const configs = Object.values(resources(template, 'AWS::Lambda::EventInvokeConfig')).map(
        ({ Properties }) => Properties,
      );
      assert.deepEqual(
        configs.map(({ MaximumRetryAttempts, MaximumEventAgeInSeconds, Qualifier }) => [
          MaximumRetryAttempts,
          MaximumEventAgeInSeconds,
          Qualifier,
        ]),
        [
          [0, 300, '$LATEST'],
          [0, 300, '$LATEST'],
        ],
      );
      assert.match(configs.map(({ FunctionName }) => flat(FunctionName)).join(), /protecttagged.*,.*watchstaging/);
    }
  });

  it('that read a million keys and a thousand tags have the memory, and the CPU that comes with it', () => {
    assert.equal(functions(aws)['lazaret-watch-staging']?.MemorySize, 1024);
  });
});

describe('the alarms over events', () => {
  const alarms = Object.values(resources(aws, 'AWS::CloudWatch::Alarm'))
    .map(({ Properties }) => Properties)
    .filter(({ AlarmName }) => !String(AlarmName).startsWith('lazaret-events-scaling-'));

  it('take silence about staging for trouble, and silence elsewhere for nothing to do', () => {
    const missing = Object.fromEntries(alarms.map(({ AlarmName, TreatMissingData }) => [AlarmName, TreatMissingData]));
    assert.equal(missing['lazaret-staging-unwatched'], 'breaching');
    assert.equal(missing['lazaret-staging-wait'], 'ignore');
    assert.equal(missing['lazaret-staging-not-looked-at'], 'ignore');
    assert.equal(missing['lazaret-events-dead'], 'notBreaching');
  });

  it('go off at the limits that were set', () => {
    const told = templates(deployment('aws', { eventLimitSeconds: 60, stagingLimitSeconds: 120 })).events;
    const threshold = (name: string): unknown =>
      named(told, 'AWS::CloudWatch::Alarm', 'AlarmName', name).properties.Threshold;
    assert.deepEqual([threshold('lazaret-events-late'), threshold('lazaret-staging-wait')], [61, 121]);
  });

  it('tell of objects that the watch had no time for, once that lasts', () => {
    const { properties } = named(aws, 'AWS::CloudWatch::Alarm', 'AlarmName', 'lazaret-staging-not-looked-at');
    const { Namespace, MetricName, Statistic, Threshold, ComparisonOperator, EvaluationPeriods, Period } = properties;
    assert.deepEqual([Namespace, MetricName, Statistic], ['Lazaret', 'StagingNotLookedAt', 'Maximum']);
    assert.deepEqual([ComparisonOperator, Threshold], ['GreaterThanOrEqualToThreshold', 1]);
    assert.deepEqual([EvaluationPeriods, Period], [3, 300]);
  });

  it('tell of settings that are gone while buckets tell of objects, and of none that were never there', () => {
    const { properties } = named(aws, 'AWS::CloudWatch::Alarm', 'AlarmName', 'lazaret-policies-missing');
    const metrics = properties.Metrics as Record<string, Json>[];
    const expression = metrics.map(({ Expression }) => Expression).find(Boolean);
    assert.equal(expression, 'IF(missing > 0 AND sent > 0, 1, 0)');
    const measured = metrics
      .map(({ Id, MetricStat }) => [
        Id,
        (MetricStat as { Metric: { MetricName: string } } | undefined)?.Metric.MetricName,
      ])
      .filter(([, name]) => name !== undefined);
    assert.deepEqual(Object.fromEntries(measured), { missing: 'PoliciesMissing', sent: 'NumberOfMessagesSent' });
  });

  it('tell a topic where there is one', () => {
    const operators = `arn:aws:sns:${REGION}:${ACCOUNT}:operators`;
    const told = templates(deployment('local', { alarmTopicArn: operators })).events;
    const actions = Object.values(resources(told, 'AWS::CloudWatch::Alarm')).map(
      ({ Properties }) => Properties.AlarmActions,
    );
    assert.equal(
      actions.filter((action) => JSON.stringify(action) === JSON.stringify([operators])).length,
      alarms.length,
    );
  });
});

describe('a deployment of events', () => {
  it('tells where S3 publishes, where people subscribe, and what promotes', () => {
    assert.deepEqual(Object.keys(aws.findOutputs('*')).sort(), [
      'EventsTopicArn',
      'NotificationsTopicArn',
      'PromoteStateMachineArn',
    ]);
  });

  it('needs nothing locally that the emulator lacks', () => {
    const types = Object.values(local.toJSON().Resources as Record<string, { Type: string }>).map(({ Type }) => Type);
    for (const type of new Set(types)) {
      assert.ok(
        !/^Custom::|NatGateway|EIP|FlowLog|SecurityGroup(In|E)gress|CapacityProvider|Scheduler/.test(type),
        type,
      );
    }
    assert.equal(local.toJSON().Rules, undefined, 'a local deployment asks for a bootstrap');
  });
});

function named(template: Template, type: string, property: string, name: string) {
  const [found, ...others] = Object.entries(resources(template, type)).filter(
    ([, { Properties }]) => Properties[property] === name,
  );
  assert.ok(found && others.length === 0, `${others.length + 1} of ${type} ${name}`);
  return { id: found[0], properties: found[1].Properties };
}

/** The statements of the policy that is on a resource. */
function policyOf(type: string, property: string, id: string): Record<string, Json>[] {
  const [found] = Object.values(resources(aws, type)).filter(({ Properties }) =>
    (Properties[property] as Json[]).some((one) => flat(one) === `<${id}>`),
  );
  assert.ok(found, id);
  return (found.Properties.PolicyDocument as { Statement: Record<string, Json>[] }).Statement;
}

function container(template: Template, family: string): Record<string, Json> {
  const { properties } = named(template, 'AWS::ECS::TaskDefinition', 'Family', family);
  const [found] = properties.ContainerDefinitions as Record<string, Json>[];
  assert.ok(found);
  return found;
}

function environment(template: Template, family = 'lazaret-event-agent'): Record<string, string> {
  const variables = container(template, family).Environment as { Name: string; Value: Json }[];
  return Object.fromEntries(variables.map(({ Name, Value }) => [Name, flat(Value)]));
}

function substitutions(template: Template): Record<string, Json> {
  return only(template, 'AWS::StepFunctions::StateMachine').DefinitionSubstitutions as Record<string, Json>;
}
