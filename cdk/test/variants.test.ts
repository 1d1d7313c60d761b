import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import aslValidator from 'asl-validator';
import type { Template } from 'aws-cdk-lib/assertions';
import { FIPS_REGIONS } from '../lib/config-fips';
import { REPOSITORY_ROOT } from '../lib/repository';
import { idleDollars } from './idle-cost';
import { nag } from './nag';
import {
  ACCOUNT,
  type Deployment,
  deployment,
  flat,
  type Json,
  type Resource,
  resources,
  type Templates,
  templates,
} from './support';

const certificate = (region: string): string => `arn:aws:acm:${region}:${ACCOUNT}:certificate/1`;
const API = { apiEnabled: true, apiCertificateArn: certificate('eu-central-1') };
const NAMES = ['storage', 'network', 'jobs', 'schedules', 'events', 'definitions', 'operation', 'api'] as const;
const MIRROR = { definitionsMirror: 'http://mirror.internal:8080' };

const OWN_KEY = `arn:aws:kms:eu-central-1:${ACCOUNT}:key/12345678-1234-1234-1234-123456789012`;

/** How an owner may deploy, by the name that cdk/README.md has for it. */
const VARIANTS: Record<string, { readonly context: Record<string, unknown>; readonly region?: string }> = {
  'everything on': {
    context: {
      ...API,
      ...MIRROR,
      privateSubnets: true,
      ownKeyArn: OWN_KEY,
      kmsKeyArns: `arn:aws:kms:eu-central-1:${ACCOUNT}:key/1`,
      promoteBuckets: 'production,public-*',
      promoteType: 'EXPRESS',
      quarantineLockDays: 30,
      quarantineExpiryDays: 90,
      apiUploadBuckets: 'clean',
      apiWaf: 'managed',
      traces: true,
      traceImage: `${ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/tools/collector:v0.40.0`,
      schedules: [{ scheduleName: 'nightly', buckets: ['invoices'], every: 'daily' }],
    },
  },
  'as it comes': { context: {} },
  'no agent waiting': { context: { eventAgentsMin: 0 } },
  'jobs alone': { context: { eventsEnabled: false, dashboard: false, definitionsEvery: '' } },
  'the API alone': { context: { ...API, jobsEnabled: false } },
  'an existing VPC': { context: { vpcId: 'vpc-1', subnetIds: 'subnet-1,subnet-2', assignPublicIp: false } },
  FIPS: {
    context: { ...API, apiCertificateArn: certificate('us-east-1'), fips: true, traces: true },
    region: 'us-east-1',
  },
};

const deployed = Object.fromEntries(
  Object.entries(VARIANTS).map(([name, { context, region }]) => {
    const made = deployment('aws', context, name === 'everything on' ? 'validated' : 'as it is', region);
    // one synthesis: with the rules of cdk-nag, which throws if there are findings, and prints them
    nag(made);
    return [name, { made, all: templates(made) }];
  }),
) as Record<string, { readonly made: Deployment; readonly all: Templates }>;

function variant(name: string): { made: Deployment; all: Templates; present: Template[] } {
  const found = deployed[name];
  assert.ok(found, name);
  return {
    ...found,
    present: NAMES.filter((stack) => found.made[stack] !== undefined).map((stack) => found.all[stack]),
  };
}

function every(templates: readonly Template[], type: string): [string, Resource][] {
  return templates.flatMap((template) => Object.entries(resources(template, type)));
}

for (const name of Object.keys(VARIANTS)) {
  describe(`deployed with ${name}`, () => {
    const { present } = variant(name);

    it('encrypts whatever keeps anything, and shows no bucket to the public', () => {
      for (const [id, { Properties }] of every(present, 'AWS::S3::Bucket')) {
        assert.ok(Properties.BucketEncryption, id);
        assert.deepEqual(Object.values(Properties.PublicAccessBlockConfiguration ?? {}), [true, true, true, true], id);
      }
      for (const [id, { Properties }] of every(present, 'AWS::SQS::Queue')) {
        assert.ok(Properties.SqsManagedSseEnabled === true || Properties.KmsMasterKeyId, id);
      }
    });

    it('lets nobody in but callers of the API, at one port', () => {
      const inline = every(present, 'AWS::EC2::SecurityGroup').flatMap(([id, { Properties }]) =>
        ((Properties.SecurityGroupIngress ?? []) as { FromPort: number; CidrIp?: string }[]).map((rule) => ({
          id,
          ...rule,
        })),
      );
      for (const { id, FromPort } of inline) {
        assert.match(id, /^BalancerCallers/);
        assert.equal(FromPort, 443);
      }
      assert.ok(inline.length <= 1);
      for (const [id, { Properties }] of every(present, 'AWS::EC2::SecurityGroupIngress')) {
        assert.ok(Properties.SourceSecurityGroupId, `${id} names no security group`);
        assert.ok([443, 8080].includes(Number(Properties.FromPort)), id);
      }
    });

    it('has no NAT', () => {
      assert.deepEqual(every(present, 'AWS::EC2::NatGateway'), []);
      assert.deepEqual(every(present, 'AWS::EC2::EIP'), []);
    });

    it('keeps logs for as long as was said, in groups of its own', () => {
      const groups = every(present, 'AWS::Logs::LogGroup');
      assert.ok(groups.length > 0);
      for (const [id, { Properties, DeletionPolicy }] of groups) {
        assert.deepEqual([Properties.RetentionInDays, DeletionPolicy], [30, 'Delete'], id);
      }
    });

    it('scales between bounds', () => {
      for (const [id, { Properties }] of every(present, 'AWS::ApplicationAutoScaling::ScalableTarget')) {
        assert.ok(Number(Properties.MinCapacity) >= 0 && Number(Properties.MaxCapacity) <= 12, id);
      }
    });

    it('gives no role a wildcard of actions, and lets none be taken by anybody', () => {
      const roles = every(present, 'AWS::IAM::Role').filter(([id]) => !id.startsWith('CustomVpcRestrict'));
      for (const [id, { Properties }] of roles) {
        assert.match(
          JSON.stringify(Properties.AssumeRolePolicyDocument),
          /"Principal":\{"Service":"[a-z-]+\.amazonaws\.com"\}/,
          id,
        );
      }
      for (const [id, { Properties }] of every(present, 'AWS::IAM::Policy')) {
        const { Statement } = Properties.PolicyDocument as {
          Statement: { Action: string | string[]; Effect: string }[];
        };
        for (const action of Statement.flatMap(({ Action }) => Action)) {
          assert.doesNotMatch(action, /\*/, `${id}: ${action}`);
        }
      }
    });

    it('costs at rest what cdk/README.md says', () => {
      const readme = fs.readFileSync(path.join(REPOSITORY_ROOT, 'cdk', 'README.md'), 'utf8');
      const row = readme.split('\n').find((line) => line.startsWith(`| ${name} |`));
      const dollars = idleDollars(present).toFixed(2);
      assert.ok(
        row?.includes(`| $${dollars} |`),
        `${name}: $${dollars} a month by the template; cdk/README.md: ${row}`,
      );
    });
  });
}

describe('a VPC of ours with private subnets', () => {
  const { all, present } = variant('everything on');
  const endpoints = every([all.network], 'AWS::EC2::VPCEndpoint').map(([, { Properties }]) => Properties);
  const services = (properties: Record<string, Json>[]): string[] =>
    properties
      .map(({ ServiceName }) =>
        JSON.stringify(ServiceName)
          .replace(/^.*?(eu-central-1|Region"\}),?"?\.?/, '')
          .replaceAll(/[^a-z.-]/g, '')
          .replace(/^\./, ''),
      )
      .sort();

  it('gives no task an address', () => {
    const text = JSON.stringify(present.map((template) => template.toJSON()));
    assert.doesNotMatch(text, /"ENABLED"[^}]*"Subnets"|"AssignPublicIp":"ENABLED"/);
    for (const [id, { Properties }] of every(present, 'AWS::EC2::Subnet')) {
      assert.notEqual(Properties.MapPublicIpOnLaunch, true, id);
    }
    const [network] = every(present, 'AWS::ECS::Service').map(([, { Properties }]) =>
      JSON.stringify(Properties.NetworkConfiguration),
    );
    assert.match(network ?? '', /"AssignPublicIp":"DISABLED".*privateSubnet/);
  });

  it('has an endpoint for each service that a program calls, and for no other', () => {
    assert.deepEqual(services(endpoints), [
      'cognito-idp',
      'ecr.api',
      'ecr.dkr',
      'events',
      'logs',
      's',
      'sns',
      'sqs',
      'states',
      'xray',
    ]);
  });

  it('pulls the collector of traces from the owner’s ECR, and lets the tasks into it', () => {
    const repository = `:ecr:eu-central-1:${ACCOUNT}:repository/tools/collector`;
    const pulls = every(present, 'AWS::IAM::Policy').filter(([, { Properties }]) =>
      JSON.stringify(Properties.PolicyDocument).includes(repository),
    );
    // event agents and the API
    assert.equal(pulls.length, 2);
    for (const [id, { Properties }] of pulls) {
      assert.match(id, /ExecutionRole/);
      assert.match(JSON.stringify(Properties.PolicyDocument), /ecr:BatchGetImage/);
    }
  });

  it('has endpoints that only tasks reach, by TLS, with roles of this account', () => {
    const [group] = every([all.network], 'AWS::EC2::SecurityGroup').filter(([id]) => id.includes('Endpoints'));
    assert.ok(group);
    assert.equal(group[1].Properties.SecurityGroupIngress, undefined);
    const rules = every(present, 'AWS::EC2::SecurityGroupIngress').filter(([id]) => id.includes('ToEndpoints'));
    assert.equal(rules.length, 2);
    for (const [, { Properties }] of rules) {
      assert.deepEqual([Properties.FromPort, Properties.ToPort, Properties.IpProtocol], [443, 443, 'tcp']);
    }
    for (const { ServiceName, PolicyDocument, PrivateDnsEnabled, VpcEndpointType } of endpoints) {
      if (!JSON.stringify(ServiceName).includes('cognito')) {
        assert.match(JSON.stringify(PolicyDocument), /"aws:PrincipalAccount"/);
      }
      assert.ok(VpcEndpointType === 'Gateway' || PrivateDnsEnabled === true);
    }
  });

  it('lets tasks out to TLS and to the owner’s mirror', () => {
    for (const [id, { Properties }] of every(present, 'AWS::EC2::SecurityGroup').filter(
      ([id]) => /Tasks[0-9A-F]{8}$/.test(id) && !id.includes('Endpoints'),
    )) {
      const ports = (Properties.SecurityGroupEgress as { FromPort: number }[]).map(({ FromPort }) => FromPort);
      assert.deepEqual(ports.sort(), [443, 8080], id);
    }
  });

  it('is refused where something would have no way out', () => {
    const refused = (context: Record<string, unknown>, message: RegExp): void =>
      assert.throws(() => deployment('aws', { privateSubnets: true, ...context }), message);
    refused({}, /no way to ClamAV’s mirror/);
    refused({ ...MIRROR, assignPublicIp: true }, /set neither vpcId nor assignPublicIp/);
    refused({ ...MIRROR, vpcId: 'vpc-1', subnetIds: 'subnet-1' }, /set neither vpcId nor assignPublicIp/);
    refused({ ...MIRROR, fips: true }, /exclude each other/);
    refused({ ...MIRROR, traces: true }, /copy it to an ECR of yours/);
    const elsewhere = `${ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/tools/collector:v0.40.0`;
    refused({ ...MIRROR, traces: true, traceImage: elsewhere }, /eu-west-1.* ACCOUNT\.dkr\.ecr\.eu-central-1\./);
  });
});

describe('a key of the owner’s for what we keep', () => {
  const { all, present } = variant('everything on');

  it('encrypts our buckets and every log group', () => {
    for (const [id, { Properties }] of every([all.storage], 'AWS::S3::Bucket').filter(
      ([id]) => !id.startsWith('Access'),
    )) {
      const text = JSON.stringify(Properties.BucketEncryption);
      assert.ok(text.includes(OWN_KEY) && text.includes('"BucketKeyEnabled":true') && text.includes('"aws:kms"'), id);
    }
    for (const [id, { Properties }] of every(present, 'AWS::Logs::LogGroup')) {
      assert.equal(Properties.KmsKeyId, OWN_KEY, id);
    }
  });

  it('is used by the roles that read or write there, by way of S3, and by no other', () => {
    const used = (role: string): string[] => {
      const statements = every(present, 'AWS::IAM::Policy')
        .filter(([id]) => id.startsWith(role))
        .flatMap(([, { Properties }]) => (Properties.PolicyDocument as { Statement: Record<string, Json>[] }).Statement)
        .filter(({ Resource }) => [Resource].flat().includes(OWN_KEY));
      for (const { Condition } of statements) {
        assert.deepEqual(Condition, { StringEquals: { 'kms:ViaService': 's3.eu-central-1.amazonaws.com' } }, role);
      }
      return statements.flatMap(({ Action }) => Action as string | string[]).sort();
    };
    const both = ['kms:Decrypt', 'kms:GenerateDataKey'];
    for (const writer of [
      'AgentWorkerTaskRole',
      'CrawlerWorkerTaskRole',
      'Functionspromote',
      'UpdaterWorkerTaskRole',
      'ApiWorkerTaskRole',
    ]) {
      assert.deepEqual([...new Set(used(writer))], both, writer);
    }
    assert.deepEqual(used('Watchwatchdefinitions'), ['kms:Decrypt']);
    for (const stranger of ['Functionscheckinput', 'RetroJobRole', 'PromotionRole']) {
      assert.deepEqual(used(stranger), [], stranger);
    }
  });

  it('is one of the region', () => {
    const other = OWN_KEY.replace('eu-central-1', 'us-east-1');
    assert.throws(() => deployment('aws', { ownKeyArn: other }), /is not the ARN of a KMS key in eu-central-1/);
    assert.throws(() => deployment('aws', { ownKeyArn: 'alias/mine' }), /is not the ARN of a KMS key/);
  });
});

describe('the state machines', () => {
  for (const name of ['everything on', 'as it comes']) {
    it(`are valid Amazon States Language once their placeholders are filled in (${name})`, () => {
      const machines = every(variant(name).present, 'AWS::StepFunctions::StateMachine');
      assert.equal(machines.length, 2);
      for (const [id, { Properties }] of machines) {
        const values = Properties.DefinitionSubstitutions as Record<string, Json>;
        const text = String(Properties.DefinitionString).replaceAll(/\$\{(\w+)\}/g, (_, placeholder: string) => {
          const value = values[placeholder];
          assert.ok(value !== undefined, `${id}: ${placeholder}`);
          // what CloudFormation knows at deploy alone: of a function, an ARN
          return typeof value === 'object' && value !== null && 'Fn::GetAtt' in value
            ? `arn:aws:lambda:eu-central-1:${ACCOUNT}:function:lazaret-a-function`
            : flat(value)
                .replaceAll('<AWS::Partition>', 'aws')
                .replaceAll(/<[^>]+>/g, 'known-later');
        });
        assert.doesNotMatch(text, /\$\{/);
        const { isValid, errors } = aslValidator(JSON.parse(text));
        assert.ok(isValid, `${id}: ${JSON.stringify(errors)}`);
      }
    });
  }
});

describe('jobs alone', () => {
  it('may start nothing of what is not there', () => {
    const policies = JSON.stringify(every(variant('jobs alone').present, 'AWS::IAM::Policy'));
    assert.doesNotMatch(policies, /promote-object|sns:Publish|events:PutEvents/);
    assert.match(JSON.stringify(every(variant('as it comes').present, 'AWS::IAM::Policy')), /promote-object/);
  });
});

describe('a VPC of ours as it comes', () => {
  const { all } = variant('as it comes');

  it('has one endpoint, which is free', () => {
    const endpoints = every([all.network], 'AWS::EC2::VPCEndpoint');
    assert.deepEqual(
      endpoints.map(([, { Properties }]) => Properties.VpcEndpointType),
      ['Gateway'],
    );
  });
});

describe('an existing VPC', () => {
  it('gets a security group and nothing else', () => {
    const made = variant('an existing VPC').all.network.toJSON().Resources as Record<string, Resource>;
    const types = Object.values(made).map(({ Type }) => Type);
    assert.deepEqual(types.sort(), ['AWS::EC2::SecurityGroup', 'AWS::ECS::Cluster']);
  });
});

describe('with FIPS endpoints', () => {
  const { present, all } = variant('FIPS');

  it('every program and every function is told', () => {
    const functions = every(present, 'AWS::Lambda::Function').filter(([id]) => !id.startsWith('CustomVpcRestrict'));
    assert.ok(functions.length >= 10);
    for (const [id, { Properties }] of functions) {
      const { Variables } = Properties.Environment as { Variables: Record<string, Json> };
      assert.equal(Variables.AWS_USE_FIPS_ENDPOINT, 'true', id);
    }
    const tasks = every(present, 'AWS::ECS::TaskDefinition');
    assert.equal(tasks.length, 5);
    for (const [id, { Properties }] of tasks) {
      // the collectors of traces too
      for (const container of Properties.ContainerDefinitions as Json[]) {
        assert.match(JSON.stringify(container), /"Name":"AWS_USE_FIPS_ENDPOINT","Value":"true"/, id);
      }
    }
    assert.doesNotMatch(JSON.stringify(variant('as it comes').all.jobs.toJSON()), /FIPS/);
  });

  it('the API asks for logins there, and its callers need a TLS of FIPS’s', () => {
    const [listener] = every([all.api], 'AWS::ElasticLoadBalancingV2::Listener');
    assert.equal(listener?.[1].Properties.SslPolicy, 'ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04');
    assert.match(JSON.stringify(all.api.toJSON()), /"Value":"https:\/\/cognito-idp-fips\.us-east-1\.amazonaws\.com"/);
  });

  it('are refused where there are none', () => {
    assert.throws(() => deployment('aws', { fips: true }), /in eu-central-1 not all services/);
    assert.throws(() => deployment('local', { fips: true }), /the local cloud has one endpoint/);
    assert.ok(FIPS_REGIONS.includes('us-east-1'));
  });
});
