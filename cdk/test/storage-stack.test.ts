import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCOUNT, deployment, flat, type Json, REGION, resources, templates } from './support';

const deployed = templates(deployment('aws'));
const aws = deployed.storage;
const local = templates(deployment('local')).storage;

describe('the storage stack', () => {
  const buckets = Object.values(resources(aws, 'AWS::S3::Bucket'));

  it('has two buckets, named for the account and region', () => {
    assert.deepEqual(buckets.map(({ Properties }) => Properties.BucketName).sort(), [
      `lazaret-quarantine-${ACCOUNT}-${REGION}`,
      `lazaret-results-${ACCOUNT}-${REGION}`,
    ]);
  });

  it('keeps both from the public, encrypted, and after the stack is gone', () => {
    for (const { Properties, DeletionPolicy } of buckets) {
      assert.equal(DeletionPolicy, 'Retain');
      assert.ok(Properties.BucketEncryption);
      assert.deepEqual(Properties.PublicAccessBlockConfiguration, {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      });
    }
  });

  it('refuses plain HTTP', () => {
    const policies = Object.values(resources(aws, 'AWS::S3::BucketPolicy'));
    assert.equal(policies.length, 2);
    for (const { Properties } of policies) {
      const text = JSON.stringify(Properties.PolicyDocument);
      assert.match(text, /"aws:SecureTransport":"false"/);
      assert.match(text, /"Effect":"Deny"/);
    }
  });

  it('lets temporary state expire and keeps reports', () => {
    const rules = bucket('results').LifecycleConfiguration as { Rules: Record<string, Json>[] };
    const expiring = rules.Rules.filter((rule) => rule.ExpirationInDays !== undefined);
    assert.deepEqual(
      expiring.map(({ Prefix, ExpirationInDays }) => [Prefix, ExpirationInDays]),
      [
        ['work/', 14],
        ['verdicts/', 7],
        ['api/jobs/', 7],
      ],
    );
  });

  it('keeps every version of what is in quarantine', () => {
    assert.deepEqual(bucket('quarantine').VersioningConfiguration, { Status: 'Enabled' });
    assert.equal(bucket('results').VersioningConfiguration, undefined);
  });

  it('lets nobody but the agents write verdicts', () => {
    const [deny] = statements('Results').filter(({ Sid }) => Sid === 'OnlyAgentsWriteVerdicts');
    assert.ok(deny);
    assert.deepEqual([deny.Effect, deny.Action], ['Deny', ['s3:PutObject', 's3:ReplicateObject']]);
    assert.deepEqual(deny.Principal, { AWS: '*' });
    assert.match(flat(deny.Resource), /\/verdicts\/\*$/);
    const writers = (deny.Condition as { ArnNotEquals: Record<string, Json[]> }).ArnNotEquals['aws:PrincipalArn'];
    const roles = [deployed.jobs, deployed.events].flatMap((template) =>
      Object.entries(resources(template, 'AWS::IAM::Role'))
        .filter(([id]) => id.startsWith('AgentWorkerTaskRole'))
        .map(([, { Properties }]) => `arn:<AWS::Partition>:iam::${ACCOUNT}:role/${Properties.RoleName}`),
    );
    assert.equal(roles.length, 2);
    assert.deepEqual(writers?.map(flat).sort(), roles.sort());
  });

  it('lets nobody delete verdicts, or the one object that says what is protected', () => {
    for (const template of [aws, local]) {
      const [deny] = statements('Results', template).filter(({ Sid }) => Sid === 'NobodyDeletesVerdictsOrPolicies');
      assert.ok(deny);
      assert.deepEqual([deny.Effect, deny.Action], ['Deny', ['s3:DeleteObject', 's3:DeleteObjectVersion']]);
      assert.deepEqual([deny.Principal, deny.Condition], [{ AWS: '*' }, undefined]);
      const denied = (deny.Resource as Json[]).map((resource) => flat(resource).replace(/^<[^>]*>/, ''));
      assert.deepEqual(denied.sort(), ['/settings/policies.json', '/verdicts/*']);
    }
  });

  it('locks what is in quarantine, and ends it, as its owner says', () => {
    assert.equal(bucket('quarantine').ObjectLockEnabled, undefined);
    assert.deepEqual(expiring(bucket('quarantine')), []);
    const set = templates(deployment('aws', { quarantineLockDays: 30, quarantineExpiryDays: 90 })).storage;
    const [locked] = Object.values(resources(set, 'AWS::S3::Bucket'))
      .map(({ Properties }) => Properties)
      .filter(({ BucketName }) => String(BucketName).startsWith('lazaret-quarantine-'));
    assert.ok(locked);
    assert.equal(locked.ObjectLockEnabled, true);
    assert.deepEqual(locked.ObjectLockConfiguration, {
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 30 } },
    });
    assert.deepEqual(locked.VersioningConfiguration, { Status: 'Enabled' });
    assert.deepEqual(expiring(locked), [90]);
  });

  it('goes with the stack in the local cloud', () => {
    for (const { DeletionPolicy } of Object.values(resources(local, 'AWS::S3::Bucket'))) {
      assert.equal(DeletionPolicy, 'Delete');
    }
  });

  it('tells where the buckets are', () => {
    assert.deepEqual(Object.keys(aws.findOutputs('*')).sort(), ['QuarantineBucket', 'ResultsBucket']);
  });

  function expiring(properties: Record<string, Json>): unknown[] {
    const { Rules } = properties.LifecycleConfiguration as { Rules: Record<string, Json>[] };
    return Rules.map(({ ExpirationInDays }) => ExpirationInDays).filter((days) => days !== undefined);
  }

  function statements(id: string, template = aws): Record<string, Json>[] {
    const [policy] = Object.entries(resources(template, 'AWS::S3::BucketPolicy')).filter(([name]) =>
      name.startsWith(id),
    );
    assert.ok(policy, id);
    return (policy[1].Properties.PolicyDocument as { Statement: Record<string, Json>[] }).Statement;
  }

  function bucket(role: string): Record<string, Json> {
    const found = buckets.find(({ Properties }) => flat(Properties.BucketName).startsWith(`lazaret-${role}-`));
    assert.ok(found);
    return found.Properties;
  }
});
