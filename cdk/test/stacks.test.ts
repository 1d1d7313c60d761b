import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nag } from './nag';
import { CERTIFICATE, deployment, deployments, type Json, resources, type Templates, templates } from './support';

const NAMES = ['storage', 'network', 'jobs', 'schedules', 'events', 'definitions', 'operation', 'api'] as const;
const STATE = ['AWS::S3::Bucket', 'AWS::Cognito::UserPool', 'AWS::Cognito::UserPoolClient', 'AWS::KMS::Key'];

describe('the stacks', () => {
  const everything = templates(
    deployment('aws', { apiEnabled: true, apiCertificateArn: CERTIFICATE, tags: 'team=payments' }),
  );

  it('hold state in one of them, and a queue of events beside it', () => {
    for (const name of NAMES.filter((name) => name !== 'storage')) {
      for (const type of STATE) {
        assert.deepEqual(resources(everything[name], type), {}, `${name}: ${type}`);
      }
    }
    assert.equal(Object.keys(resources(everything.storage, 'AWS::S3::Bucket')).length, 3);
  });

  it('keep everything of the storage stack when it is destroyed, and nothing of the others', () => {
    for (const [id, { Type, DeletionPolicy }] of Object.entries(all(everything, 'storage'))) {
      if (STATE.includes(Type) && Type !== 'AWS::Cognito::UserPoolClient') {
        assert.equal(DeletionPolicy, 'Retain', id);
      }
    }
    for (const name of NAMES.filter((name) => name !== 'storage')) {
      for (const [id, { DeletionPolicy }] of Object.entries(all(everything, name))) {
        assert.notEqual(DeletionPolicy, 'Retain', `${name}: ${id}`);
      }
    }
  });

  it('are tagged, with the owner’s own tags as well', () => {
    for (const name of ['storage', 'network', 'jobs', 'events', 'api'] as const) {
      const tagged = Object.values(all(everything, name)).filter(({ Properties }) => Array.isArray(Properties?.Tags));
      assert.ok(tagged.length > 0, name);
      for (const { Properties } of tagged) {
        const tags = Properties?.Tags as { Key: string; Value: Json }[];
        assert.ok(tags.some(({ Key, Value }) => Key === 'application' && Value === 'lazaret'));
        assert.ok(tags.some(({ Key, Value }) => Key === 'team' && Value === 'payments'));
      }
    }
  });

  it('are as few as the owner has use for', () => {
    const ids = (context: Record<string, unknown>): string[] =>
      deployment('aws', context)
        .app.node.children.map(({ node }) => node.id.replace('Lazaret', ''))
        .sort();
    assert.deepEqual(ids({ eventsEnabled: false }), [
      'Definitions',
      'Jobs',
      'Network',
      'Operation',
      'Schedules',
      'Storage',
    ]);
    assert.deepEqual(ids({ jobsEnabled: false, apiEnabled: true, apiCertificateArn: CERTIFICATE }), [
      'Api',
      'Definitions',
      'Network',
      'Operation',
      'Storage',
    ]);
  });
});

describe('two regions', () => {
  const other = 'us-east-1';
  const { app, regions } = deployments({
    regions: {
      'eu-central-1': {},
      [other]: { apiEnabled: true, apiCertificateArn: CERTIFICATE.replace('eu-central-1', other) },
    },
  });
  const [home, away] = regions;
  assert.ok(home && away);

  it('have their own stacks, known by the same names to each region’s CloudFormation', () => {
    const ids = app.node.children.map(({ node }) => node.id);
    assert.equal(new Set(ids).size, 7 + 8);
    assert.ok(ids.includes('LazaretJobs-eu-central-1') && ids.includes('LazaretJobs-us-east-1'));
    for (const { storage, jobs } of regions) {
      assert.deepEqual([storage.stackName, jobs?.stackName], ['LazaretStorage', 'LazaretJobs']);
    }
    assert.deepEqual([home.jobs?.region, away.jobs?.region], ['eu-central-1', other]);
  });

  it('give cdk-nag nothing without a reason beside it', () => {
    nag({ app });
  });

  it('are set apart by what is set for one alone', () => {
    assert.equal(home.api, undefined);
    assert.ok(away.api);
  });

  it('share no name that is the account’s or the world’s: of a role, a bucket, a dashboard', () => {
    for (const [type, property] of [
      ['AWS::IAM::Role', 'RoleName'],
      ['AWS::IAM::ManagedPolicy', 'ManagedPolicyName'],
      ['AWS::S3::Bucket', 'BucketName'],
      ['AWS::CloudWatch::Dashboard', 'DashboardName'],
    ] as const) {
      const names = regions.map((region) => new Set(namesOf(templates(region), type, property)));
      for (const name of names[0] ?? []) {
        assert.ok(!names[1]?.has(name), `${type} ${name}`);
      }
    }
    const roles = namesOf(templates(away), 'AWS::IAM::Role', 'RoleName');
    assert.deepEqual(roles.sort(), [
      'lazaret-agent-us-east-1',
      'lazaret-event-agent-us-east-1',
      'lazaret-promote-us-east-1',
      'lazaret-scheduler-us-east-1',
    ]);
  });

  it('name nothing of each other', () => {
    for (const [region, stranger] of [
      [home, other],
      [away, 'eu-central-1'],
    ] as const) {
      for (const name of NAMES.filter((name) => region[name] !== undefined)) {
        const text = JSON.stringify(templates(region)[name].toJSON());
        assert.ok(!text.includes(stranger), `${name} names ${stranger}`);
      }
    }
  });

  it('have what people and programs look for under its documented name in each', () => {
    for (const region of regions) {
      const made = templates(region);
      const { region: here } = region.storage;
      assert.ok(namesOf(made, 'AWS::S3::Bucket', 'BucketName').includes(`lazaret-results-111122223333-${here}`));
      assert.ok(namesOf(made, 'AWS::StepFunctions::StateMachine', 'StateMachineName').includes('lazaret-retro-job'));
      assert.ok(namesOf(made, 'AWS::ECS::Cluster', 'ClusterName').includes('lazaret'));
      assert.ok(namesOf(made, 'AWS::SNS::Topic', 'TopicName').includes('lazaret-events'));
      assert.ok(namesOf(made, 'AWS::SQS::Queue', 'QueueName').includes('lazaret-events'));
    }
  });

  function namesOf(made: Templates, type: string, property: string): string[] {
    return NAMES.filter((name) => name !== 'api').flatMap((name) =>
      Object.values(resources(made[name], type))
        .map(({ Properties }) => Properties?.[property])
        .filter((name): name is string => typeof name === 'string'),
    );
  }
});

function all(made: Templates, name: (typeof NAMES)[number]) {
  return made[name].toJSON().Resources as Record<
    string,
    { Type: string; DeletionPolicy?: string; Properties?: Record<string, Json> }
  >;
}
