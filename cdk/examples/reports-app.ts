#!/usr/bin/env node
import { App, Stack } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { ProtectedBucket, RetroSchedule, TwoBucketIngest } from 'lazaret-cdk';

/**
 * The app of another team, deployed to the account and region of a deployment of Lazaret with `scanBuckets='reports-*'`,
 * `stagingBuckets='reports-incoming'`, `promoteBuckets='reports-published'`.
 */
export function defineReports(app: App, env: { account: string; region: string }): Stack {
  const stack = new Stack(app, 'Reports', { env });
  const accessLogs = new s3.Bucket(stack, 'AccessLogs', {
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
  });
  const logged = (serverAccessLogsPrefix: string): s3.BucketProps => ({
    serverAccessLogsBucket: accessLogs,
    serverAccessLogsPrefix,
  });

  // new objects are scanned as they arrive, and nobody reads one before it was called clean
  const archive = new ProtectedBucket(stack, 'Archive', {
    bucketName: 'reports-archive',
    denyUnlessClean: { readers: [`arn:aws:iam::${env.account}:role/forensics`] },
    bucketProps: logged('archive/'),
  });

  // partners upload to the one, the web site reads the other
  new TwoBucketIngest(stack, 'Ingest', {
    stagingBucketName: 'reports-incoming',
    productionBucketName: 'reports-published',
    productionPrefix: 'in/',
    stagingProps: logged('incoming/'),
    productionProps: logged('published/'),
  });

  // what is older is looked at again with newer definitions
  new RetroSchedule(stack, 'Monthly', {
    scheduleName: 'reports-monthly',
    buckets: [archive.bucket.bucketName, { name: 'reports-published', prefix: 'in/' }],
    every: 'monthly',
    timezone: 'Europe/Berlin',
    scope: 'all',
  });
  return stack;
}

if (require.main === module) {
  const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
  if (account === undefined || region === undefined) {
    throw new Error('No account: sign in to AWS, or set CDK_DEFAULT_ACCOUNT and CDK_DEFAULT_REGION');
  }
  defineReports(new App(), { account, region });
}
