import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCOUNT, deployment, flat, type Json, REGION, resources, templates } from './support';

interface Statement {
  readonly role: string;
  readonly effect: string;
  readonly actions: string[];
  readonly resources: string[];
  readonly condition: Json | undefined;
}

const RESULTS = `arn:<AWS::Partition>:s3:::lazaret-results-${ACCOUNT}-${REGION}`;
const QUARANTINE = `arn:<AWS::Partition>:s3:::lazaret-quarantine-${ACCOUNT}-${REGION}`;
const KEY = `arn:aws:kms:${REGION}:${ACCOUNT}:key/1`;
const JOB_QUEUES = `arn:<AWS::Partition>:sqs:${REGION}:${ACCOUNT}:lazaret-job-*`;

const statements = read({ kmsKeyArns: KEY });

describe('no role', () => {
  it('has a wildcard among its actions', () => {
    for (const { role, actions } of statements) {
      assert.deepEqual(
        actions.filter((action) => action.includes('*')),
        [],
        role,
      );
    }
  });

  it('may act on everything, but for the calls that know no resource', () => {
    const everything = statements.filter(({ resources }) => resources.includes('*'));
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
      ].sort(),
    );
    for (const { condition } of everything.filter(({ actions }) => actions.includes('ecs:ListTasks'))) {
      assert.match(JSON.stringify(condition), /ecs:cluster/);
    }
  });

  it('has a managed policy, which is wider than anybody reads', () => {
    const { jobs } = templates(deployment('aws'));
    // the one of CDK's own custom resource, which empties the VPC's default security group
    const ours = Object.entries(resources(jobs, 'AWS::IAM::Role')).filter(
      ([id]) => !id.startsWith('CustomVpcRestrict'),
    );
    for (const [id, { Properties }] of ours) {
      assert.equal(Properties.ManagedPolicyArns, undefined, id);
    }
  });
});

describe('the crawler', () => {
  it('reads no object', () => {
    assert.ok(!may('CrawlerWorkerTaskRole').has('s3:GetObject'));
  });

  it('lists the buckets that the owner named and no other', () => {
    assert.deepEqual(on('CrawlerWorkerTaskRole', 's3:ListBucket'), [
      'arn:<AWS::Partition>:s3:::invoices',
      'arn:<AWS::Partition>:s3:::team-*',
    ]);
  });

  it('writes crawls, counters and parts, not plans and reports', () => {
    assert.deepEqual(on('CrawlerWorkerTaskRole', 's3:PutObject'), [
      `${RESULTS}/jobs/*/parts/*`,
      `${RESULTS}/work/*/crawls/*`,
      `${RESULTS}/work/*/progress/*`,
    ]);
  });

  it('deletes its own counters and nothing else', () => {
    assert.deepEqual(on('CrawlerWorkerTaskRole', 's3:DeleteObject'), [`${RESULTS}/work/*/progress/*`]);
  });

  it('sends to jobs’ queues and answers tokens', () => {
    assert.deepEqual(on('CrawlerWorkerTaskRole', 'sqs:SendMessage'), [JOB_QUEUES]);
    assert.deepEqual(on('CrawlerWorkerTaskRole', 'states:SendTaskSuccess'), [
      `arn:<AWS::Partition>:states:${REGION}:${ACCOUNT}:stateMachine:lazaret-retro-job`,
    ]);
  });
});

describe('the agent', () => {
  it('removes objects of the buckets that the owner named and no other', () => {
    for (const action of ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:PutObjectVersionTagging']) {
      assert.deepEqual(on('AgentWorkerTaskRole', action), [
        'arn:<AWS::Partition>:s3:::invoices/*',
        'arn:<AWS::Partition>:s3:::team-*/*',
      ]);
    }
  });

  it('never deletes proof or evidence, whatever pattern the owner gave', () => {
    const denied = read({ scanBuckets: '*' }).find(
      ({ role, effect }) => role.startsWith('AgentWorker') && effect === 'Deny',
    );
    assert.deepEqual(denied?.actions, ['s3:DeleteObject', 's3:DeleteObjectVersion']);
    assert.deepEqual(denied?.resources, [`${QUARANTINE}/*`, `${RESULTS}/*`]);
  });

  it('writes parts and counters, not plans and reports', () => {
    assert.deepEqual(on('AgentWorkerTaskRole', 's3:PutObject'), [
      `${QUARANTINE}/*`,
      `${RESULTS}/jobs/*/parts/*`,
      `${RESULTS}/verdicts/*`,
      `${RESULTS}/work/*/progress/*`,
    ]);
  });

  it('fetches definitions, and nothing of the deployment can publish any', () => {
    assert.ok(on('AgentWorkerTaskRole', 's3:GetObject').includes(`${RESULTS}/definitions/*`));
    for (const { role, effect, actions, resources } of statements) {
      const writes = effect === 'Allow' && actions.some((action) => /^s3:(Put|Delete)Object$/.test(action));
      const reached = resources.some((one) => one === `${RESULTS}/*` || one.startsWith(`${RESULTS}/definitions/`));
      assert.ok(!(writes && reached), role);
    }
  });

  it('may list what it reads, so that what is gone is not denied', () => {
    assert.deepEqual(
      on('AgentWorkerTaskRole', 's3:ListBucket'),
      ['arn:<AWS::Partition>:s3:::invoices', QUARANTINE, RESULTS, 'arn:<AWS::Partition>:s3:::team-*'].sort(),
    );
  });

  it('decrypts with the keys that the owner named', () => {
    assert.deepEqual(on('AgentWorkerTaskRole', 'kms:Decrypt'), [KEY]);
    assert.ok(!read({}).some(({ actions }) => actions.includes('kms:Decrypt')));
  });
});

describe('a function', () => {
  it('never reads or changes a scanned object', () => {
    for (const { role, actions, resources } of statements.filter(({ role }) => role.startsWith('Functions'))) {
      if (resources.some((resource) => /:::(invoices|team-)/.test(resource))) {
        assert.deepEqual(actions, ['s3:ListBucket'], role);
      }
    }
  });

  it('that tears down deletes temporary objects, jobs’ queues and our own tasks', () => {
    assert.deepEqual(on('Functionsteardown', 's3:DeleteObject'), [`${RESULTS}/jobs/*/parts/*`, `${RESULTS}/work/*`]);
    assert.deepEqual(on('Functionsteardown', 'sqs:DeleteQueue'), [JOB_QUEUES]);
    assert.deepEqual(on('Functionsteardown', 'ecs:StopTask'), [
      `arn:<AWS::Partition>:ecs:${REGION}:${ACCOUNT}:task/lazaret/*`,
    ]);
  });

  it('that looks at the drain empties dead-letter queues and no other', () => {
    assert.deepEqual(on('Functionscheckdrain', 'sqs:ReceiveMessage'), [`${JOB_QUEUES}-dead`]);
  });

  it('that only checks can write nothing', () => {
    assert.deepEqual([...may('Functionscheckinput')].sort(), [
      'logs:CreateLogStream',
      'logs:PutLogEvents',
      's3:ListBucket',
    ]);
  });
});

describe('the state machine', () => {
  it('launches our two kinds of task in our cluster', () => {
    const [run] = statements.filter(({ actions }) => actions.includes('ecs:RunTask'));
    assert.deepEqual(run?.resources, [
      `arn:<AWS::Partition>:ecs:${REGION}:${ACCOUNT}:task-definition/lazaret-agent:*`,
      `arn:<AWS::Partition>:ecs:${REGION}:${ACCOUNT}:task-definition/lazaret-crawler:*`,
    ]);
    assert.match(JSON.stringify(run?.condition), /cluster\/lazaret/);
  });

  it('hands its tasks their roles and no other, and to ECS alone', () => {
    const [pass] = statements.filter(({ actions }) => actions.includes('iam:PassRole'));
    assert.equal(pass?.resources.length, 4);
    assert.ok(pass?.resources.every((resource) => /^<(Agent|Crawler)Worker.*Role.*\.Arn>$/.test(resource)));
    assert.match(JSON.stringify(pass?.condition), /ecs-tasks\.amazonaws\.com/);
  });

  it('creates jobs’ queues, and invokes the five functions as they are', () => {
    assert.deepEqual(on('RetroJobRole', 'sqs:CreateQueue'), [JOB_QUEUES]);
    const invoked = on('RetroJobRole', 'lambda:InvokeFunction');
    assert.equal(invoked.length, 5);
    assert.ok(invoked.every((arn) => /^<Functions.*\.Arn>$/.test(arn)));
  });
});

function read(context: Record<string, unknown>): Statement[] {
  const { jobs } = templates(deployment('aws', context));
  return Object.values(resources(jobs, 'AWS::IAM::Policy')).flatMap(({ Properties }) => {
    const role = (Properties.Roles as { Ref: string }[])[0]?.Ref ?? '';
    const document = Properties.PolicyDocument as { Statement: Record<string, Json>[] };
    return document.Statement.map((statement) => ({
      role,
      effect: String(statement.Effect),
      actions: list(statement.Action).map(String),
      resources: list(statement.Resource).map(flat).sort(),
      condition: statement.Condition,
    }));
  });
}

function list(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

function allowed(role: string): Statement[] {
  const found = statements.filter((statement) => statement.role.startsWith(role) && statement.effect === 'Allow');
  assert.ok(found.length > 0, role);
  return found;
}

function may(role: string): Set<string> {
  return new Set(allowed(role).flatMap(({ actions }) => actions));
}

function on(role: string, action: string): string[] {
  return allowed(role)
    .filter(({ actions }) => actions.includes(action))
    .flatMap(({ resources }) => resources)
    .sort();
}
