import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KEY, PRODUCTION, QUARANTINE, RESULTS, STAGING, Statements } from './statements';
import { ACCOUNT, CERTIFICATE, deployment, flat, type Json, REGION, resources, templates } from './support';

const JOB_QUEUES = `arn:<AWS::Partition>:sqs:${REGION}:${ACCOUNT}:lazaret-job-*`;
const PROMOTE = `arn:<AWS::Partition>:states:${REGION}:${ACCOUNT}:stateMachine:lazaret-promote-object`;
const NOTIFICATIONS = `arn:<AWS::Partition>:sns:${REGION}:${ACCOUNT}:lazaret-notifications`;
const BUS = `arn:<AWS::Partition>:events:${REGION}:${ACCOUNT}:event-bus/default`;
const SETTINGS = { kmsKeyArns: KEY, promoteBuckets: 'production' };

const jobs = new Statements('jobs', SETTINGS);
const events = new Statements('events', SETTINGS);
const schedules = new Statements('schedules', SETTINGS);
const definitions = new Statements('definitions', SETTINGS);
const everywhere = [...jobs.all, ...events.all, ...schedules.all, ...definitions.all];

describe('no role', () => {
  it('has a wildcard among its actions', () => {
    for (const { role, actions } of everywhere) {
      assert.deepEqual(
        actions.filter((action) => action.includes('*')),
        [],
        role,
      );
    }
  });

  it('may act on everything, but for the calls that know no resource', () => {
    const everything = everywhere.filter(({ resources }) => resources.includes('*'));
    const actions = new Set(everything.flatMap(({ actions }) => actions));
    assert.deepEqual(
      [...actions].sort(),
      [
        'ecr:GetAuthorizationToken',
        'ecs:ListTasks',
        'logs:CreateLogDelivery',
        'logs:DeleteLogDelivery',
        'logs:DescribeLogGroups',
        'logs:DescribeResourcePolicies',
        'logs:GetLogDelivery',
        'logs:ListLogDeliveries',
        'logs:PutResourcePolicy',
        'logs:UpdateLogDelivery',
        's3:ListAllMyBuckets',
        'servicequotas:GetServiceQuota',
      ].sort(),
    );
    for (const { condition } of everything.filter(({ actions }) => actions.includes('ecs:ListTasks'))) {
      assert.match(JSON.stringify(condition), /ecs:cluster/);
    }
  });

  it('acts in buckets of other accounts, whoever has their names now', () => {
    const api = new Statements('api', { apiEnabled: true, apiCertificateArn: CERTIFICATE, apiUploadBuckets: 'clean' });
    const inS3 = [...everywhere, ...api.all].filter(
      ({ effect, actions, resources }) =>
        effect === 'Allow' && actions.some((action) => action.startsWith('s3:')) && !resources.includes('*'),
    );
    assert.ok(inS3.length > 20);
    for (const { role, condition } of inS3) {
      assert.deepEqual(condition, { StringEquals: { 'aws:ResourceAccount': ACCOUNT } }, role);
    }
  });

  it('uses the owner’s keys but where S3 asks for it', () => {
    for (const { role, condition } of everywhere.filter(({ resources }) => resources.includes(KEY))) {
      const { StringEquals } = condition as { StringEquals: Record<string, Json> };
      assert.equal(flat(StringEquals['kms:ViaService']), 's3.<AWS::Region>.<AWS::URLSuffix>', role);
    }
  });

  it('can be taken by ECS or Step Functions for another account', () => {
    const { jobs, events, definitions } = templates(deployment('aws'));
    for (const [id, { Properties }] of [jobs, events, definitions].flatMap((template) =>
      Object.entries(resources(template, 'AWS::IAM::Role')),
    )) {
      const { Statement } = Properties.AssumeRolePolicyDocument as { Statement: Record<string, Json>[] };
      const [trust] = Statement;
      assert.ok(trust, id);
      const { Service } = trust.Principal as { Service: Json };
      if (/TaskRole|^(RetroJob|Promotion)Role/.test(id)) {
        assert.ok(['ecs-tasks.amazonaws.com', 'states.amazonaws.com'].includes(flat(Service)), id);
        assert.deepEqual(trust.Condition, { StringEquals: { 'aws:SourceAccount': ACCOUNT } }, id);
      }
    }
  });

  it('has a managed policy, which is wider than anybody reads', () => {
    const { jobs, events, schedules, definitions } = templates(deployment('aws'));
    // but the one of CDK's own custom resource, which empties the VPC's default security group
    const ours = [jobs, events, schedules, definitions]
      .flatMap((template) => Object.entries(resources(template, 'AWS::IAM::Role')))
      .filter(([id]) => !id.startsWith('CustomVpcRestrict'));
    for (const [id, { Properties }] of ours) {
      assert.equal(Properties.ManagedPolicyArns, undefined, id);
    }
  });
});

describe('the crawler', () => {
  it('reads no object but what a schedule wrote for it', () => {
    assert.deepEqual(jobs.on('CrawlerWorkerTaskRole', 's3:GetObject'), [`${RESULTS}/work/*/selection/*`]);
    assert.ok(!jobs.may('CrawlerWorkerTaskRole').has('s3:GetObjectVersion'));
  });

  it('lists the buckets that the owner named and no other', () => {
    assert.deepEqual(jobs.on('CrawlerWorkerTaskRole', 's3:ListBucket'), [
      'arn:<AWS::Partition>:s3:::invoices',
      'arn:<AWS::Partition>:s3:::team-*',
    ]);
  });

  it('writes crawls, counters and parts, not plans and reports', () => {
    assert.deepEqual(jobs.on('CrawlerWorkerTaskRole', 's3:PutObject'), [
      `${RESULTS}/jobs/*/parts/*`,
      `${RESULTS}/work/*/crawls/*`,
      `${RESULTS}/work/*/progress/*`,
    ]);
  });

  it('deletes its own counters and nothing else', () => {
    assert.deepEqual(jobs.on('CrawlerWorkerTaskRole', 's3:DeleteObject'), [`${RESULTS}/work/*/progress/*`]);
  });

  it('sends to jobs’ queues and answers tokens', () => {
    assert.deepEqual(jobs.on('CrawlerWorkerTaskRole', 'sqs:SendMessage'), [JOB_QUEUES]);
    assert.deepEqual(jobs.on('CrawlerWorkerTaskRole', 'states:SendTaskSuccess'), [
      `arn:<AWS::Partition>:states:${REGION}:${ACCOUNT}:stateMachine:lazaret-retro-job`,
    ]);
  });
});

describe('the agent', () => {
  it('removes objects of the buckets that the owner named and no other', () => {
    for (const action of ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:PutObjectVersionTagging']) {
      assert.deepEqual(jobs.on('AgentWorkerTaskRole', action), [
        'arn:<AWS::Partition>:s3:::invoices/*',
        'arn:<AWS::Partition>:s3:::team-*/*',
      ]);
    }
  });

  it('never deletes proof or evidence, whatever pattern the owner gave', () => {
    const [denied] = new Statements('jobs', { scanBuckets: '*' }).denied('AgentWorker');
    assert.deepEqual(denied?.actions, ['s3:DeleteObject', 's3:DeleteObjectVersion']);
    assert.deepEqual(denied?.resources, [`${QUARANTINE}/*`, `${RESULTS}/*`]);
  });

  it('writes parts and counters, not plans and reports', () => {
    assert.deepEqual(jobs.on('AgentWorkerTaskRole', 's3:PutObject'), [
      `${QUARANTINE}/*`,
      `${RESULTS}/jobs/*/parts/*`,
      `${RESULTS}/verdicts/*`,
      `${RESULTS}/work/*/progress/*`,
    ]);
  });

  it('fetches definitions, and nothing of the deployment but the updater can publish any', () => {
    assert.ok(jobs.on('AgentWorkerTaskRole', 's3:GetObject').includes(`${RESULTS}/definitions/*`));
    for (const { role, effect, actions, resources } of everywhere.filter(({ role }) => !role.startsWith('Updater'))) {
      const writes = effect === 'Allow' && actions.some((action) => /^s3:(Put|Delete)Object$/.test(action));
      const reached = resources.some((one) => one === `${RESULTS}/*` || one.startsWith(`${RESULTS}/definitions/`));
      assert.ok(!(writes && reached), role);
    }
  });

  it('may list what it reads, so that what is gone is not denied', () => {
    assert.deepEqual(
      jobs.on('AgentWorkerTaskRole', 's3:ListBucket'),
      ['arn:<AWS::Partition>:s3:::invoices', QUARANTINE, RESULTS, 'arn:<AWS::Partition>:s3:::team-*'].sort(),
    );
  });

  it('decrypts with the keys that the owner named', () => {
    assert.deepEqual(jobs.on('AgentWorkerTaskRole', 'kms:Decrypt'), [KEY]);
    assert.ok(!new Statements('jobs', {}).all.some(({ actions }) => actions.includes('kms:Decrypt')));
  });
});

describe('a function of jobs', () => {
  it('never reads or changes a scanned object', () => {
    for (const { role, actions, resources } of jobs.all.filter(({ role }) => role.startsWith('Functions'))) {
      if (resources.some((resource) => /:::(invoices|team-)/.test(resource))) {
        assert.deepEqual(actions, ['s3:ListBucket'], role);
      }
    }
  });

  it('that tears down deletes temporary objects, jobs’ queues and our own tasks', () => {
    assert.deepEqual(jobs.on('Functionsteardown', 's3:DeleteObject'), [
      `${RESULTS}/jobs/*/parts/*`,
      `${RESULTS}/work/*`,
    ]);
    assert.deepEqual(jobs.on('Functionsteardown', 'sqs:DeleteQueue'), [JOB_QUEUES]);
    assert.deepEqual(jobs.on('Functionsteardown', 'ecs:StopTask'), [
      `arn:<AWS::Partition>:ecs:${REGION}:${ACCOUNT}:task/lazaret/*`,
    ]);
  });

  it('that looks at the drain empties dead-letter queues and no other', () => {
    assert.deepEqual(jobs.on('Functionscheckdrain', 'sqs:ReceiveMessage'), [`${JOB_QUEUES}-dead`]);
  });

  it('that only checks can write nothing', () => {
    assert.deepEqual([...jobs.may('Functionscheckinput')].sort(), [
      'logs:CreateLogStream',
      'logs:PutLogEvents',
      's3:ListBucket',
    ]);
  });
});

describe('the state machine', () => {
  it('launches our two kinds of task in our cluster', () => {
    const [run] = jobs.all.filter(({ actions }) => actions.includes('ecs:RunTask'));
    assert.deepEqual(run?.resources, [
      `arn:<AWS::Partition>:ecs:${REGION}:${ACCOUNT}:task-definition/lazaret-agent:*`,
      `arn:<AWS::Partition>:ecs:${REGION}:${ACCOUNT}:task-definition/lazaret-crawler:*`,
    ]);
    assert.match(JSON.stringify(run?.condition), /cluster\/lazaret/);
  });

  it('hands its tasks their roles and no other, and to ECS alone', () => {
    const [pass] = jobs.all.filter(({ actions }) => actions.includes('iam:PassRole'));
    assert.equal(pass?.resources.length, 4);
    assert.ok(pass?.resources.every((resource) => /^<(Agent|Crawler)Worker.*Role.*\.Arn>$/.test(resource)));
    assert.match(JSON.stringify(pass?.condition), /ecs-tasks\.amazonaws\.com/);
  });

  it('creates jobs’ queues, and invokes the five functions as they are', () => {
    assert.deepEqual(jobs.on('RetroJobRole', 'sqs:CreateQueue'), [JOB_QUEUES]);
    const invoked = jobs.on('RetroJobRole', 'lambda:InvokeFunction');
    assert.equal(invoked.length, 5);
    assert.ok(invoked.every((arn) => /^<Functions.*\.Arn>$/.test(arn)));
  });
});

describe('any agent', () => {
  for (const [work, statements] of Object.entries({ jobs, events })) {
    it(`writes verdicts and has them acted on, and can’t act in place of the promotion (${work})`, () => {
      for (const action of ['s3:PutObject', 's3:GetObject']) {
        assert.ok(statements.on('AgentWorkerTaskRole', action).includes(`${RESULTS}/verdicts/*`), action);
      }
      assert.deepEqual(statements.on('AgentWorkerTaskRole', 'states:StartExecution'), [PROMOTE]);
      assert.deepEqual(statements.on('AgentWorkerTaskRole', 'states:DescribeExecution'), [
        `arn:<AWS::Partition>:states:${REGION}:${ACCOUNT}:execution:lazaret-promote-object:*`,
      ]);
      for (const { resources } of statements.allowed('AgentWorkerTaskRole')) {
        assert.ok(!resources.some((resource) => resource.startsWith(PRODUCTION)));
      }
    });
  }

  it('asks no Express machine how an execution went: it could not say', () => {
    const express = new Statements('events', { promoteType: 'EXPRESS' });
    assert.ok(!express.may('AgentWorkerTaskRole').has('states:DescribeExecution'));
  });
});

describe('the event agent', () => {
  it('does to objects what a job’s agent does, and to results less', () => {
    for (const action of ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:PutObjectTagging', 'kms:Decrypt']) {
      const ofJobs = jobs.on('AgentWorkerTaskRole', action);
      const others = events.on('AgentWorkerTaskRole', action).filter((resource) => !ofJobs.includes(resource));
      assert.deepEqual(others, [], action);
    }
    assert.deepEqual(events.on('AgentWorkerTaskRole', 's3:PutObject'), [`${QUARANTINE}/*`, `${RESULTS}/verdicts/*`]);
    assert.deepEqual(
      events.denied('AgentWorkerTaskRole').map(({ resources }) => resources),
      [[`${QUARANTINE}/*`, `${RESULTS}/*`]],
    );
  });

  it('works the queue of events and no other', () => {
    for (const action of ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility']) {
      assert.deepEqual(events.on('AgentWorkerTaskRole', action), [
        `arn:<AWS::Partition>:sqs:${REGION}:${ACCOUNT}:lazaret-events`,
      ]);
    }
    assert.ok(!events.may('AgentWorkerTaskRole').has('sqs:SendMessage'));
  });

  it('tells scan results and nothing else', () => {
    assert.deepEqual(events.on('AgentWorkerTaskRole', 'sns:Publish'), [NOTIFICATIONS]);
    assert.deepEqual(says('AgentWorkerTaskRole'), [BUS, 'lazaret', 'Object Scan Result']);
  });
});

describe('the promotion', () => {
  it('writes to the buckets that the owner named as production and no other', () => {
    assert.deepEqual(events.on('Functionspromote', 's3:PutObject'), [`${QUARANTINE}/*`, `${PRODUCTION}/*`]);
    const none = new Statements('events', {});
    assert.deepEqual(none.on('Functionspromote', 's3:PutObject'), [`${QUARANTINE}/*`]);
  });

  it('deletes in staging, and neither in production nor what we keep', () => {
    const staging = STAGING.map((bucket) => `${bucket}/*`);
    assert.deepEqual(events.on('Functionspromote', 's3:DeleteObjectVersion'), staging);
    const wide = new Statements('events', { scanBuckets: '*', promoteBuckets: '*' });
    assert.deepEqual(
      wide.denied('Functionspromote').map(({ actions, resources }) => [actions, resources]),
      [
        [['s3:PutObject'], [`${RESULTS}/*`]],
        [
          ['s3:DeleteObject', 's3:DeleteObjectVersion'],
          [`${QUARANTINE}/*`, `${RESULTS}/*`],
        ],
      ],
    );
  });

  it('takes nothing out of production and retags nothing there, where it is told apart from staging', () => {
    const denied = (context: Record<string, unknown>): string[][] =>
      new Statements('events', context)
        .denied('Functionspromote')
        .filter(({ actions }) => actions.includes('s3:PutObjectVersionTagging'))
        .map(({ actions, resources }) => {
          assert.ok(['s3:DeleteObject', 's3:DeleteObjectVersion'].every((action) => actions.includes(action)));
          // the copy's own tags come with it
          assert.ok(!actions.includes('s3:PutObjectTagging'));
          return resources;
        });
    const objects = (...names: string[]): string[] => names.map((name) => `arn:<AWS::Partition>:s3:::${name}/*`);
    assert.deepEqual(denied({ scanBuckets: '*', promoteBuckets: 'production,public-*' }), [
      objects('production', 'public-*'),
    ]);
    assert.deepEqual(denied({ scanBuckets: 'team-*', promoteBuckets: 'team-live-*' }), [objects('team-live-*')]);
    // a bucket that is both, by name, keeps its rights; a wider pattern of destinations can't be told apart
    assert.deepEqual(denied({ scanBuckets: '*', stagingBuckets: 'in,middle', promoteBuckets: 'middle,live' }), []);
    assert.deepEqual(denied({ scanBuckets: '*', stagingBuckets: '*,middle', promoteBuckets: 'middle,live' }), [
      objects('live'),
    ]);
    assert.deepEqual(denied({ scanBuckets: '*', promoteBuckets: '*' }), []);
    assert.deepEqual(denied({ scanBuckets: 'team-a', promoteBuckets: 'team-*' }), []);
  });

  it('reads, tags and deletes only where staging may be, whatever is scanned', () => {
    const named = new Statements('events', { scanBuckets: '*', stagingBuckets: 'in-*', promoteBuckets: 'live' });
    for (const action of ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:PutObjectVersionTagging']) {
      assert.deepEqual(named.on('Functionspromote', action), ['arn:<AWS::Partition>:s3:::in-*/*'], action);
    }
    assert.ok(named.on('AgentWorkerTaskRole', 's3:DeleteObjectVersion').includes('arn:<AWS::Partition>:s3:::*/*'));
  });

  it('may list versions in staging, so that one that is gone is not denied', () => {
    assert.deepEqual(events.on('Functionspromote', 's3:ListBucketVersions'), STAGING);
  });

  it('reads verdicts and settings, and can write neither', () => {
    const read = events.on('Functionspromote', 's3:GetObject').filter((resource) => resource.startsWith(RESULTS));
    assert.deepEqual(read, [`${RESULTS}/settings/*`, `${RESULTS}/verdicts/*`]);
    assert.ok(!events.on('Functionspromote', 's3:PutObject').some((resource) => resource.startsWith(RESULTS)));
  });

  it('encrypts with the keys that the owner named', () => {
    for (const action of ['kms:Decrypt', 'kms:GenerateDataKey']) {
      assert.deepEqual(events.on('Functionspromote', action), [KEY]);
    }
  });

  it('is called, and its results are told, by a state machine that can do nothing else', () => {
    const other = [...events.may('PromotionRole')].filter((action) => !action.startsWith('logs:'));
    assert.deepEqual(other.sort(), ['events:PutEvents', 'lambda:InvokeFunction', 'sns:Publish']);
    const invoked = events.on('PromotionRole', 'lambda:InvokeFunction');
    assert.equal(invoked.length, 1);
    assert.match(invoked[0] ?? '', /^<Functionspromote.*\.Arn>$/);
    assert.deepEqual(events.on('PromotionRole', 'sns:Publish'), [NOTIFICATIONS]);
    assert.deepEqual(says('PromotionRole'), [BUS, 'lazaret', 'Object Promotion Result']);
  });
});

describe('protection by tag', () => {
  it('changes the notifications of the buckets that the owner named, and one object', () => {
    assert.deepEqual(events.on('Functionsprotecttagged', 's3:PutBucketNotification'), STAGING);
    assert.deepEqual(events.on('Functionsprotecttagged', 's3:PutObject'), [`${RESULTS}/settings/policies.json`]);
    assert.deepEqual(events.on('Functionsprotecttagged', 's3:GetObject'), [`${RESULTS}/settings/policies.json`]);
  });

  it('starts retro jobs and no promotion', () => {
    assert.deepEqual(events.on('Functionsprotecttagged', 'states:StartExecution'), [
      `arn:<AWS::Partition>:states:${REGION}:${ACCOUNT}:stateMachine:lazaret-retro-job`,
    ]);
  });
});

describe('the watch over staging', () => {
  it('reads no object and changes nothing', () => {
    assert.deepEqual([...events.may('Functionswatchstaging')].sort(), [
      'logs:CreateLogStream',
      'logs:PutLogEvents',
      's3:GetBucketVersioning',
      's3:GetObject',
      's3:GetObjectTagging',
      's3:GetObjectVersionTagging',
      's3:ListBucket',
    ]);
    assert.deepEqual(events.on('Functionswatchstaging', 's3:GetObject'), [`${RESULTS}/settings/policies.json`]);
  });
});

/** Bus, source and detail-type of the only events that a role may put. */
function says(role: string): unknown[] {
  const [put, ...others] = events.allowed(role).filter(({ actions }) => actions.includes('events:PutEvents'));
  assert.equal(others.length, 0);
  assert.ok(put, role);
  const { StringEquals } = put.condition as { StringEquals: Record<string, unknown> };
  return [...put.resources, StringEquals['events:source'], StringEquals['events:detail-type']];
}
