import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACCOUNT, deployment, flat, type Json, REGION, resources, templates } from './support';

const aws = templates(deployment('aws')).storage;
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
      ],
    );
  });

  it('keeps every version of what is in quarantine', () => {
    assert.deepEqual(bucket('quarantine').VersioningConfiguration, { Status: 'Enabled' });
    assert.equal(bucket('results').VersioningConfiguration, undefined);
  });

  it('goes with the stack in the local cloud', () => {
    for (const { DeletionPolicy } of Object.values(resources(local, 'AWS::S3::Bucket'))) {
      assert.equal(DeletionPolicy, 'Delete');
    }
  });

  it('tells where the buckets are', () => {
    assert.deepEqual(Object.keys(aws.findOutputs('*')).sort(), ['QuarantineBucket', 'ResultsBucket']);
  });

  function bucket(role: string): Record<string, Json> {
    const found = buckets.find(({ Properties }) => flat(Properties.BucketName).startsWith(`lazaret-${role}-`));
    assert.ok(found);
    return found.Properties;
  }
});
