import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { nag } from './nag';
import { deployment } from './support';

describe('cdk-nag’s AwsSolutions and CloudFormation’s own rules', () => {
  // the variants on AWS are variants.test.ts's
  it('find nothing without a reason beside it in the local cloud', () => {
    const most = {
      kmsKeyArns: 'arn:aws:kms:eu-central-1:111122223333:key/1',
      promoteBuckets: 'production,public-*',
      eventAgentsMin: 0,
      promoteType: 'EXPRESS',
      quarantineLockDays: 30,
      quarantineExpiryDays: 90,
      apiUploadBuckets: 'clean',
      apiWaf: 'managed',
      traces: true,
      schedules: [{ scheduleName: 'nightly', buckets: ['invoices'], every: 'daily' }],
    };
    nag(deployment('local', most));
  });

  it('would find what has none', () => {
    const careless = deployment('local');
    new s3.Bucket(careless.storage, 'Careless');
    assert.throws(() => nag(careless), /Validation failed/);
  });
});
