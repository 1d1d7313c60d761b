import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import { App, Duration, Stack, Validations } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
// as another team's app does: through the package's public entry
import {
  DenyUnlessClean,
  type DenyUnlessCleanProps,
  ProtectedBucket,
  TwoBucketIngest,
  VerdictApi,
  type VerdictApiProps,
} from 'lazaret-cdk';
import { defineReports } from '../examples/reports-app';
import { ACCEPT_TAG, PROTECT_TAG, RESULT_TAG } from '../lib/names';
import { REPOSITORY_ROOT } from '../lib/repository';
import { denied, type Request } from './policy';
import { type Statement, statementsOf } from './statements';
import { ACCOUNT, CERTIFICATE, deployment, flat, type Json, only, REGION, resources, templates } from './support';

const ENV = { account: ACCOUNT, region: REGION };
const EXAMPLE = path.join(REPOSITORY_ROOT, 'cdk', 'examples', 'reports-app.ts');

const role = (name: string): string => `arn:<AWS::Partition>:iam::${ACCOUNT}:role/${name}`;
const AGENTS = [role(`lazaret-agent-${REGION}`), role(`lazaret-event-agent-${REGION}`)];
const PROMOTE = role(`lazaret-promote-${REGION}`);
const API = role(`lazaret-api-${REGION}`);
const SOMEBODY = role('web-site');

function stack(): Stack {
  return new Stack(new App(), 'Theirs', { env: ENV });
}

/** The statements of the policy of the bucket of that name. */
function policy(template: Template, bucketName: string): Record<string, Json>[] {
  const [id] = Object.entries(resources(template, 'AWS::S3::Bucket')).find(
    ([, { Properties }]) => Properties.BucketName === bucketName,
  ) ?? [bucketName];
  const [found] = Object.values(resources(template, 'AWS::S3::BucketPolicy')).filter(
    ({ Properties }) => flat(Properties.Bucket) === `<${id}>`,
  );
  assert.ok(found, bucketName);
  return (found.Properties.PolicyDocument as { Statement: Record<string, Json>[] }).Statement;
}

function tags(template: Template, bucketName: string): Record<string, string> {
  const found = Object.values(resources(template, 'AWS::S3::Bucket')).find(
    ({ Properties }) => Properties.BucketName === bucketName,
  );
  assert.ok(found, bucketName);
  return Object.fromEntries(
    (found.Properties.Tags as { Key: string; Value: string }[]).map((tag) => [tag.Key, tag.Value]),
  );
}

describe('what is not clean', () => {
  const held = (props: Partial<DenyUnlessCleanProps> = {}): ((request: Partial<Request>) => boolean) => {
    const theirs = stack();
    new DenyUnlessClean(theirs, 'Deny', { bucket: new s3.Bucket(theirs, 'B', { bucketName: 'files' }), ...props });
    const statements = policy(Template.fromStack(theirs), 'files');
    return (request) => denied(statements, { action: 's3:GetObject', key: 'a/b', principalArn: SOMEBODY, ...request });
  };
  const asked = held();

  it('is denied to readers, every version of it, and to who does not sign', () => {
    for (const result of ['Infected', 'Unscannable', 'Error', 'InfectedAllowed', 'clean', 'Clean ', '']) {
      for (const action of ['s3:GetObject', 's3:GetObjectVersion']) {
        assert.ok(asked({ action, tags: { [RESULT_TAG]: result } }), `${action} ${result}`);
      }
    }
    const statements = stack();
    new DenyUnlessClean(statements, 'Deny', { bucket: new s3.Bucket(statements, 'B', { bucketName: 'files' }) });
    assert.ok(
      denied(policy(Template.fromStack(statements), 'files'), {
        action: 's3:GetObject',
        key: 'a',
        tags: { [RESULT_TAG]: 'Infected' },
      }),
    );
  });

  it('is denied as well before it was scanned, and if only another tag calls it clean', () => {
    assert.ok(asked({}));
    assert.ok(asked({ tags: { result: 'Clean', 'Scan-Result2': 'Clean' } }));
  });

  it('can be read once it is called clean', () => {
    for (const action of ['s3:GetObject', 's3:GetObjectVersion']) {
      assert.ok(!asked({ action, tags: { [RESULT_TAG]: 'Clean' } }), action);
    }
  });

  it('is Lazaret’s to read and to tag, and that of those who are named', () => {
    const with_ = held({ readers: [role('forensics')], taggers: [role('import-*')] });
    for (const principalArn of [...AGENTS, PROMOTE, API]) {
      assert.ok(!with_({ principalArn }), principalArn);
      assert.ok(!with_({ principalArn, action: 's3:PutObjectTagging' }), principalArn);
    }
    assert.ok(!with_({ principalArn: role('forensics') }));
    assert.ok(with_({ principalArn: role('forensics'), action: 's3:PutObjectTagging' }));
    assert.ok(!with_({ principalArn: role('import-1'), action: 's3:PutObjectTagging' }));
    assert.ok(with_({ principalArn: role('import-1') }));
  });

  it('can’t be called clean by who uploads it', () => {
    for (const action of ['PutObjectTagging', 'PutObjectVersionTagging', 'DeleteObjectTagging', 'ReplicateTags']) {
      assert.ok(asked({ action: `s3:${action}`, tags: { [RESULT_TAG]: 'Infected' } }), action);
    }
    assert.ok(!asked({ action: 's3:PutObject' }));
  });

  it('is what the owner says it is', () => {
    const wide = held({ allow: ['Clean', 'InfectedAllowed'], keys: ['in/*'], tagKey: 'av' });
    assert.ok(!wide({ key: 'in/a', tags: { av: 'InfectedAllowed' } }));
    assert.ok(wide({ key: 'in/a', tags: { av: 'Infected' } }));
    assert.ok(wide({ key: 'in/a', tags: { [RESULT_TAG]: 'Clean' } }));
    assert.ok(!wide({ key: 'out/a' }));
  });

  it('is refused at synth where nothing would be held, or everything let through', () => {
    for (const [props, why] of [
      [{ allow: [] }, /allow is empty/],
      [{ allow: ['Infected'] }, /`Infected` is not/],
      [{ keys: [] }, /keys is empty/],
      [{ tagKey: '' }, /tagKey/],
    ] as const) {
      assert.throws(() => held(props as unknown as Partial<DenyUnlessCleanProps>), why);
    }
    const theirs = stack();
    const bucket = s3.Bucket.fromBucketName(theirs, 'Imported', 'imported');
    assert.throws(() => new DenyUnlessClean(theirs, 'Deny', { bucket }), /imported, and has no policy/);
  });

  it('goes by the tags that the programs write, and by the names that the deployment’s roles have', () => {
    const source = (file: string): string => fs.readFileSync(path.join(REPOSITORY_ROOT, file), 'utf8');
    assert.match(source('workers/model/src/tags.rs'), new RegExp(`result: "${RESULT_TAG}"`));
    assert.match(source('workers/protection/src/tag.rs'), new RegExp(`PROTECT_TAG: &str = "${PROTECT_TAG}"`));
    assert.match(source('workers/protection/src/tag.rs'), new RegExp(`ACCEPT_TAG: &str = "${ACCEPT_TAG}"`));
    const { jobs, events, api } = templates(
      deployment('aws', { apiEnabled: true, apiInternal: true, apiPlainHttp: true }),
    );
    assert.ok(api);
    const names = [jobs, events, api]
      .flatMap((template) => Object.values(resources(template, 'AWS::IAM::Role')))
      .map(({ Properties }) => Properties.RoleName)
      .filter((name) => name !== undefined);
    assert.deepEqual(names.map((name) => role(String(name))).sort(), [...AGENTS, PROMOTE, API].sort());
  });
});

describe('a protected bucket', () => {
  const theirs = stack();
  new ProtectedBucket(theirs, 'Uploads', {
    bucketName: 'uploads',
    bucketProps: { lifecycleRules: [{ id: 'theirs', expiration: Duration.days(1) }] },
  });
  const template = Template.fromStack(theirs);
  const [bucket] = Object.values(resources(template, 'AWS::S3::Bucket'));
  assert.ok(bucket);

  it('carries the tag that has it protected, and no notifications of its own', () => {
    assert.deepEqual(tags(template, 'uploads'), { [PROTECT_TAG]: 'standard' });
    assert.equal(bucket.Properties.NotificationConfiguration, undefined);
    assert.deepEqual(resources(template, 'Custom::S3BucketNotifications'), {});
  });

  it('is closed to the public, keeps versions, outlives its stack and drops abandoned uploads', () => {
    assert.deepEqual(bucket.Properties.VersioningConfiguration, { Status: 'Enabled' });
    assert.equal(bucket.DeletionPolicy, 'Retain');
    assert.ok(Object.values(bucket.Properties.PublicAccessBlockConfiguration as Record<string, Json>).every(Boolean));
    const { Rules } = bucket.Properties.LifecycleConfiguration as { Rules: Record<string, Json>[] };
    assert.deepEqual(
      Rules.map(({ Id, AbortIncompleteMultipartUpload }) => [Id, AbortIncompleteMultipartUpload]),
      [
        ['abandoned-uploads', { DaysAfterInitiation: 2 }],
        ['theirs', undefined],
      ],
    );
    assert.ok(
      policy(template, 'uploads').some(({ Condition }) => JSON.stringify(Condition).includes('SecureTransport')),
    );
  });

  it('denies nothing for its verdict unless it is told to', () => {
    assert.ok(!denied(policy(template, 'uploads'), { action: 's3:GetObject', key: 'a', principalArn: SOMEBODY }));
    const strict = stack();
    new ProtectedBucket(strict, 'Uploads', { bucketName: 'uploads', denyUnlessClean: true });
    const statements = policy(Template.fromStack(strict), 'uploads');
    assert.ok(denied(statements, { action: 's3:GetObject', key: 'a', principalArn: SOMEBODY }));
  });

  it('is refused where it could not be protected', () => {
    for (const [props, why] of [
      [{ bucketName: 'Uploads' }, /bucketName is `Uploads`/],
      [{ bucketName: 'lazaret-results-1-x' }, /Lazaret's own/],
      [{ bucketName: 'uploads', bucketProps: { eventBridgeEnabled: true } }, /eventBridgeEnabled/],
    ] as const) {
      assert.throws(() => new ProtectedBucket(stack(), 'Uploads', props), why);
    }
  });
});

describe('a two-bucket ingest', () => {
  const theirs = stack();
  new TwoBucketIngest(theirs, 'Ingest', {
    stagingBucketName: 'incoming',
    productionBucketName: 'published',
    productionPrefix: 'in/',
    stagingReaders: [role('forensics')],
    productionWriters: [role('import')],
  });
  const template = Template.fromStack(theirs);
  const staging = (request: Omit<Request, 'key'>): boolean =>
    denied(policy(template, 'incoming'), { key: 'a', ...request });
  const production = (request: Omit<Request, 'key'>): boolean =>
    denied(policy(template, 'published'), { key: 'a', ...request });

  it('says by tags what goes where, and that it agrees', () => {
    assert.deepEqual(tags(template, 'incoming'), { [PROTECT_TAG]: 'two-bucket=published/in/' });
    assert.deepEqual(tags(template, 'published'), { [ACCEPT_TAG]: 'incoming' });
  });

  it('keeps versions in staging, whatever else is asked for', () => {
    const other = stack();
    new TwoBucketIngest(other, 'Ingest', {
      stagingBucketName: 'incoming',
      productionBucketName: 'published',
      stagingProps: { versioned: false } as s3.BucketProps,
      productionProps: { versioned: false },
    });
    const versions = Object.values(resources(Template.fromStack(other), 'AWS::S3::Bucket')).map(
      ({ Properties }) => Properties.VersioningConfiguration,
    );
    assert.deepEqual(versions, [{ Status: 'Enabled' }, undefined]);
  });

  it('lets nobody read staging but Lazaret and who is named, and anybody upload whom IAM lets', () => {
    for (const action of ['s3:GetObject', 's3:GetObjectVersion']) {
      assert.ok(staging({ action, principalArn: SOMEBODY, tags: { [RESULT_TAG]: 'Clean' } }), action);
      for (const principalArn of [...AGENTS, PROMOTE, API, role('forensics')]) {
        assert.ok(!staging({ action, principalArn }), principalArn);
      }
    }
    assert.ok(!staging({ action: 's3:PutObject', principalArn: SOMEBODY }));
  });

  it('lets nobody write production but the promotion and who is named, and agents tag what they scan again', () => {
    for (const action of ['s3:PutObject', 's3:ReplicateObject', 's3:PutObjectTagging']) {
      for (const principalArn of [SOMEBODY, API]) {
        assert.ok(production({ action, principalArn }), `${action} ${principalArn}`);
      }
      assert.ok(!production({ action, principalArn: PROMOTE }), action);
      assert.ok(!production({ action, principalArn: role('import') }), action);
    }
    for (const principalArn of AGENTS) {
      assert.ok(production({ action: 's3:PutObject', principalArn }), principalArn);
      assert.ok(!production({ action: 's3:PutObjectTagging', principalArn }), principalArn);
      assert.ok(!production({ action: 's3:DeleteObjectVersion', principalArn }), principalArn);
    }
    assert.ok(!production({ action: 's3:GetObject', principalArn: SOMEBODY }));
  });

  it('drops what a copy that ran out of time left in production', () => {
    for (const { Properties } of Object.values(resources(template, 'AWS::S3::Bucket'))) {
      assert.match(
        JSON.stringify(Properties.LifecycleConfiguration),
        /"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":2}/,
      );
    }
  });

  it('is refused where it could not work', () => {
    const names = { stagingBucketName: 'incoming', productionBucketName: 'published' };
    for (const [props, why] of [
      [{ ...names, productionBucketName: 'incoming' }, /name two buckets/],
      [{ ...names, stagingBucketName: '-' }, /stagingBucketName is `-`/],
      [{ ...names, productionPrefix: 'ü/' }, /productionPrefix is `ü\/`/],
      [{ ...names, productionPrefix: 'x'.repeat(250) }, /too long/],
      [{ ...names, stagingProps: { eventBridgeEnabled: true } }, /eventBridgeEnabled/],
    ] as const) {
      assert.throws(() => new TwoBucketIngest(stack(), 'Ingest', props), why);
    }
  });
});

describe('a verdict API of another team', () => {
  const theirs = (props: Partial<VerdictApiProps> = {}): Template => {
    const app = stack();
    const subnets = ['subnet-1', 'subnet-2'];
    const vpc = ec2.Vpc.fromVpcAttributes(app, 'Vpc', {
      vpcId: 'vpc-1',
      availabilityZones: ['a', 'b'],
      privateSubnetIds: subnets,
      privateSubnetRouteTableIds: ['rtb-1', 'rtb-1'],
    });
    new VerdictApi(app, 'Api', {
      vpc,
      taskSubnets: vpc.privateSubnets,
      certificateArn: CERTIFICATE,
      scanBuckets: ['invoices', 'team-*'],
      image: ecs.ContainerImage.fromRegistry('lazaret-api'),
      ...props,
    });
    return Template.fromStack(app);
  };

  it('has what that of the deployment has, in the cluster of the deployment', () => {
    const ours = templates(deployment('aws', { apiEnabled: true, apiCertificateArn: CERTIFICATE }));
    const count = (template: Template): Record<string, number> => {
      const types = Object.values(template.toJSON().Resources as Record<string, { Type: string }>);
      return Object.fromEntries(
        [
          'ECS::Service',
          'ElasticLoadBalancingV2::Listener',
          'CloudWatch::Alarm',
          'ApplicationAutoScaling::ScalingPolicy',
        ].map((type) => [type, types.filter(({ Type }) => Type === `AWS::${type}`).length]),
      );
    };
    const template = theirs();
    assert.deepEqual(count(template), count(ours.api));
    assert.ok(Object.values(count(template)).every((there) => there > 0));
    assert.equal(only(template, 'AWS::ECS::Service').Cluster, 'lazaret');
    const environment = (one: Template): unknown => {
      const [container] = only(one, 'AWS::ECS::TaskDefinition').ContainerDefinitions as Record<string, Json>[];
      assert.ok(container);
      return (container.Environment as { Name: string; Value: Json }[]).filter(
        ({ Value }) => typeof Value === 'string',
      );
    };
    assert.deepEqual(environment(template), environment(ours.api));
  });

  it('may do what that of the deployment may', () => {
    // the other app may have CDK write its statements apart
    const apiRole = (statements: readonly Statement[]): string[] => {
      const told = statements
        .filter(({ role, actions }) => role.includes('TaskRole') && !actions.includes('logs:PutLogEvents'))
        .flatMap(({ effect, actions, resources, condition }) =>
          actions.flatMap((action) =>
            resources.map((one) => `${effect} ${action} ${one} ${JSON.stringify(condition)}`),
          ),
        );
      return [...new Set(told)].sort();
    };
    const ours = statementsOf(templates(deployment('aws', { apiEnabled: true, apiCertificateArn: CERTIFICATE })).api);
    assert.ok(apiRole(ours).length > 10);
    assert.deepEqual(apiRole(statementsOf(theirs())), apiRole(ours));
  });

  it('keeps its users and access logs when it goes', () => {
    const template = theirs();
    for (const type of ['AWS::Cognito::UserPool', 'AWS::S3::Bucket']) {
      for (const { DeletionPolicy } of Object.values(resources(template, type))) {
        assert.equal(DeletionPolicy, 'Retain', type);
      }
    }
    assert.equal(only(template, 'AWS::Cognito::UserPool').UserPoolName, 'lazaret');
  });

  it('is refused where it could not work, or would send passwords as they are', () => {
    for (const [props, why] of [
      [{ certificateArn: undefined }, /apiCertificateArn is not set/],
      [{ taskSubnets: [] }, /taskSubnets is empty/],
      [{ balancerSubnets: [] }, /two or more/],
      [{ scanBuckets: [] }, /apiScanBuckets is empty/],
      [{ uploadBuckets: ['lazaret-results-x'] }, /Lazaret's own/],
      [{ limits: { cpu: 3 } }, /apiCpu is 3/],
    ] as const) {
      assert.throws(() => theirs(props as unknown as Partial<VerdictApiProps>), why);
    }
  });
});

describe('the app of another team', () => {
  it('synthesises, and cdk-nag finds nothing without a reason', () => {
    const app = new App({ builtinCloudFormationValidation: false });
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    const template = Template.fromStack(defineReports(app, ENV));
    app.synth();
    assert.deepEqual(tags(template, 'reports-archive'), { [PROTECT_TAG]: 'standard' });
    assert.deepEqual(tags(template, 'reports-incoming'), { [PROTECT_TAG]: 'two-bucket=reports-published/in/' });
    assert.equal(Object.keys(resources(template, 'AWS::Scheduler::Schedule')).length, 1);
  });

  it('is what the page shows', () => {
    const page = fs.readFileSync(path.join(REPOSITORY_ROOT, 'docs', 'constructs.md'), 'utf8');
    const [, shown] = /```ts\n(import \{ App[\s\S]*?)```/.exec(page) ?? [];
    assert.equal(shown, fs.readFileSync(EXAMPLE, 'utf8').replace(/^#!.*\n/, ''));
  });
});
