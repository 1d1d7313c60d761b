#!/usr/bin/env node
import { App, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecr from 'aws-cdk-lib/aws-ecr';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { ProtectedBucket, RetroSchedule, TwoBucketIngest, VerdictApi } from 'lazaret-cdk';

/**
 * The app of another team, deployed to the account and region of a deployment of Lazaret with `scanBuckets='reports-*'`,
 * `stagingBuckets='reports-incoming'`, `promoteBuckets='reports-published'`, and without an API of its own.
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

  // the web site asks before it stores anything
  const vpc = ec2.Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: 'vpc-0a1b2c3d',
    availabilityZones: [`${env.region}a`, `${env.region}b`],
    publicSubnetIds: ['subnet-0a1b2c3d', 'subnet-0b1c2d3e'],
    publicSubnetRouteTableIds: ['rtb-0a1b2c3d', 'rtb-0a1b2c3d'],
    privateSubnetIds: ['subnet-0a2b3c4d', 'subnet-0b2c3d4e'],
    privateSubnetRouteTableIds: ['rtb-0b2c3d4e', 'rtb-0b2c3d4e'],
  });
  const images = ecr.Repository.fromRepositoryName(stack, 'Images', 'lazaret-api');
  new VerdictApi(stack, 'Api', {
    vpc,
    taskSubnets: vpc.privateSubnets,
    balancerSubnets: vpc.publicSubnets,
    certificateArn: `arn:aws:acm:${env.region}:${env.account}:certificate/reports`,
    scanBuckets: ['reports-archive'],
    uploadBuckets: ['reports-uploads'],
    limits: { tasksMax: 6, waf: 'managed' },
    image: ecs.ContainerImage.fromEcrRepository(images, '0.1.0'),
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
