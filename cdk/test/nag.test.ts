import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Validations } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { CERTIFICATE, type Deployment, deployment, type Profile } from './support';

describe('cdk-nag’s AwsSolutions and CloudFormation’s own rules', () => {
  for (const profile of ['aws', 'local'] as Profile[]) {
    it(`find nothing without a reason beside it (${profile})`, () => {
      const most = {
        kmsKeyArns: 'arn:aws:kms:eu-central-1:111122223333:key/1',
        promoteBuckets: 'production,public-*',
        eventAgentsMin: 0,
        promoteType: 'EXPRESS',
        quarantineLockDays: 30,
        quarantineExpiryDays: 90,
        apiEnabled: true,
        apiUploadBuckets: 'clean',
        apiWaf: 'managed',
        ...(profile === 'aws' ? { apiCertificateArn: CERTIFICATE } : {}),
        schedules: [{ scheduleName: 'nightly', buckets: ['invoices'], every: 'daily' }],
      };
      nag(deployment(profile, most, 'validated'));
    });
  }

  it('would find what has none', () => {
    const careless = deployment('local');
    new s3.Bucket(careless.storage, 'Careless');
    assert.throws(() => nag(careless), /Validation failed/);
  });
});

function nag({ app }: Deployment): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  // throws if there are findings, and prints them
  app.synth();
}
