import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import type { Template } from 'aws-cdk-lib/assertions';
import { REPOSITORY_ROOT } from '../lib/repository';
import { Statements } from './statements';
import {
  ACCOUNT,
  CERTIFICATE,
  deployment,
  flat,
  type Json,
  only,
  REGION,
  type Resource,
  resources,
  templates,
} from './support';

const ON = { apiEnabled: true, apiCertificateArn: CERTIFICATE };

function api(context: Record<string, unknown> = {}): Template {
  return templates(deployment('aws', { ...ON, ...context })).api;
}

const deployed = templates(deployment('aws', ON));
const { api: aws, storage: kept } = deployed;
const internal = api({ apiCertificateArn: '', apiInternal: true, apiPlainHttp: true });
const { api: local, storage: localKept } = templates(deployment('local'));

function accessLogs(template: Template): [string, Resource] {
  const [found] = Object.entries(resources(template, 'AWS::S3::Bucket')).filter(([id]) => id.startsWith('AccessLogs'));
  assert.ok(found);
  return found;
}

describe('the API', () => {
  it('is the owner’s choice on AWS, and there in the local cloud', () => {
    assert.equal(deployment('aws').api, undefined);
    assert.ok(local);
  });

  it('changes nothing in the other stacks but what these tell of themselves, and what it leaves behind', () => {
    const without = templates(deployment('aws'));
    for (const stack of ['storage', 'network', 'jobs', 'events'] as const) {
      const { Outputs: _, ...before } = without[stack].toJSON();
      const { Outputs: __, ...after } = structuredClone(deployed[stack].toJSON());
      for (const id of Object.keys(after.Resources)) {
        if (/^(Users|AccessLogs)/.test(id)) {
          delete after.Resources[id];
        }
      }
      assert.deepEqual(after, before, stack);
    }
  });

  it('is told apart by its outputs', () => {
    // CDK adds what the dashboard refers to
    const ours = Object.keys(aws.findOutputs('*')).filter((name) => !name.startsWith('PublishOutput'));
    assert.deepEqual(ours.sort(), ['ApiUrl', 'UserPoolClientId', 'UserPoolId']);
    assert.match(flat(aws.findOutputs('ApiUrl').ApiUrl?.Value), /^https:\/\/<Balancer\w+\.DNSName>$/);
    assert.match(flat(internal.findOutputs('ApiUrl').ApiUrl?.Value), /^http:\/\//);
  });
});

describe('the load balancer of the API', () => {
  it('is the internet’s, over TLS 1.2 or later with the owner’s certificate, and listens on nothing else', () => {
    const { Name, Scheme } = only(aws, 'AWS::ElasticLoadBalancingV2::LoadBalancer');
    assert.deepEqual([Name, Scheme], ['lazaret-api', 'internet-facing']);
    const { Port, Protocol, Certificates, SslPolicy } = only(aws, 'AWS::ElasticLoadBalancingV2::Listener');
    assert.deepEqual([Port, Protocol, Certificates], [443, 'HTTPS', [{ CertificateArn: CERTIFICATE }]]);
    assert.match(String(SslPolicy), /^ELBSecurityPolicy-TLS13-1-2-/);
    assert.deepEqual(callers(aws), [['0.0.0.0/0', 443, 443]]);
  });

  it('is internal if it is to be, without TLS where that was said, for private networks alone', () => {
    assert.equal(only(internal, 'AWS::ElasticLoadBalancingV2::LoadBalancer').Scheme, 'internal');
    const { Port, Protocol, Certificates } = only(internal, 'AWS::ElasticLoadBalancingV2::Listener');
    assert.deepEqual([Port, Protocol, Certificates], [80, 'HTTP', undefined]);
    assert.deepEqual(
      callers(internal),
      ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map((cidr) => [cidr, 80, 80]),
    );
    const tls = api({ apiInternal: true });
    assert.equal(only(tls, 'AWS::ElasticLoadBalancingV2::LoadBalancer').Scheme, 'internal');
    assert.equal(only(tls, 'AWS::ElasticLoadBalancingV2::Listener').Protocol, 'HTTPS');
  });

  it('is called from where the owner says', () => {
    assert.deepEqual(callers(api({ apiAllowedCidrs: '198.51.100.0/24,10.1.0.0/16' })), [
      ['198.51.100.0/24', 443, 443],
      ['10.1.0.0/16', 443, 443],
    ]);
  });

  it('stands in the tasks’ subnets, or in its own of the same VPC', () => {
    const existing = { vpcId: 'vpc-1', subnetIds: 'subnet-1,subnet-2' };
    const subnets = (context: Record<string, unknown>): unknown =>
      only(api(context), 'AWS::ElasticLoadBalancingV2::LoadBalancer').Subnets;
    assert.deepEqual(subnets(existing), ['subnet-1', 'subnet-2']);
    assert.deepEqual(subnets({ ...existing, apiSubnetIds: 'subnet-8,subnet-9' }), ['subnet-8', 'subnet-9']);
    const { NetworkConfiguration } = only(api({ ...existing, apiSubnetIds: 'subnet-8,subnet-9' }), 'AWS::ECS::Service');
    assert.match(JSON.stringify(NetworkConfiguration), /"Subnets":\["subnet-1","subnet-2"\]/);
  });

  it('lets pass what is plainly one request, and writes the caller’s address where the server looks for it', () => {
    const attributes = balancerAttributes(aws);
    assert.equal(attributes['routing.http.desync_mitigation_mode'], 'strictest');
    assert.equal(attributes['routing.http.drop_invalid_header_fields.enabled'], 'true');
    assert.equal(attributes['routing.http.xff_header_processing.mode'], 'append');
    assert.equal(environment(aws).LAZARET_API_PROXIES, '1');
  });

  it('waits for longer than the longest scan, and for less long than the server', () => {
    for (const [template, answer] of [
      [aws, 3600],
      [api({ apiAnswerSeconds: 600 }), 600],
    ] as const) {
      const idle = Number(balancerAttributes(template)['idle_timeout.timeout_seconds']);
      const variables = environment(template);
      assert.equal(variables.LAZARET_API_SECONDS, String(answer));
      assert.ok(idle > answer && idle <= 4000, String(idle));
      assert.ok(Number(variables.LAZARET_API_IDLE_SECONDS) > idle);
    }
  });

  it('reaches the servers on their port, and they are reached by nobody else', () => {
    const groups = resources(aws, 'AWS::EC2::SecurityGroup');
    const [balancer, tasks] = ['BalancerCallers', 'ServiceTasks'].map((name) =>
      Object.keys(groups).find((id) => id.startsWith(name)),
    );
    assert.equal(Object.keys(groups).length, 2);
    const egress = only(aws, 'AWS::EC2::SecurityGroupEgress');
    assert.equal(groups[balancer ?? '']?.Properties.SecurityGroupEgress, undefined);
    assert.deepEqual(
      [egress.FromPort, egress.ToPort, flat(egress.GroupId), flat(egress.DestinationSecurityGroupId)],
      [8080, 8080, `<${balancer}.GroupId>`, `<${tasks}.GroupId>`],
    );
    const ingress = only(aws, 'AWS::EC2::SecurityGroupIngress');
    assert.equal(groups[tasks ?? '']?.Properties.SecurityGroupIngress, undefined);
    assert.deepEqual(
      [ingress.FromPort, ingress.ToPort, flat(ingress.GroupId), flat(ingress.SourceSecurityGroupId)],
      [8080, 8080, `<${tasks}.GroupId>`, `<${balancer}.GroupId>`],
    );
  });

  it('sends requests to servers that say they are ready, and new ones fewer at first', () => {
    const { HealthCheckPath, Matcher, Port, Protocol, TargetType } = only(
      aws,
      'AWS::ElasticLoadBalancingV2::TargetGroup',
    );
    assert.deepEqual(
      [HealthCheckPath, Matcher, Port, Protocol, TargetType],
      ['/api/health', { HttpCode: '200' }, 8080, 'HTTP', 'ip'],
    );
    const source = fs.readFileSync(path.join(REPOSITORY_ROOT, 'api', 'src', 'routes', 'health.rs'), 'utf8');
    assert.ok(source.includes(`pub const PATH: &str = "${HealthCheckPath}";`));
    assert.equal(targetAttributes(aws)['slow_start.duration_seconds'], '30');
  });

  it('writes who called into a bucket of its own: private, encrypted, for a while', () => {
    const attributes = balancerAttributes(aws);
    const [id, bucket] = accessLogs(kept);
    assert.equal(attributes['access_logs.s3.enabled'], 'true');
    assert.match(flat(attributes['access_logs.s3.bucket']), new RegExp(`^<LazaretStorage\\..*${id}`));
    assert.equal(bucket?.DeletionPolicy, 'Retain');
    assert.deepEqual(bucket?.Properties.PublicAccessBlockConfiguration, {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    });
    assert.match(JSON.stringify(bucket?.Properties.BucketEncryption), /"SSEAlgorithm":"AES256"/);
    assert.match(JSON.stringify(bucket?.Properties.LifecycleConfiguration), /"ExpirationInDays":30/);
    const policies = Object.entries(resources(kept, 'AWS::S3::BucketPolicy')).filter(([id]) =>
      id.startsWith('AccessLogs'),
    );
    assert.match(JSON.stringify(policies), /"aws:SecureTransport":"false"/);
    const [, longer] = accessLogs(templates(deployment('aws', { ...ON, logRetentionDays: 365 })).storage);
    assert.match(JSON.stringify(longer.Properties.LifecycleConfiguration), /"ExpirationInDays":365/);
  });

  it('has no web ACL unless it is to have one', () => {
    assert.deepEqual(resources(aws, 'AWS::WAFv2::WebACLAssociation'), {});
    const arn = `arn:aws:wafv2:${REGION}:${ACCOUNT}:regional/webacl/mine/1`;
    const owners = api({ apiWaf: arn });
    const { WebACLArn, ResourceArn } = only(owners, 'AWS::WAFv2::WebACLAssociation');
    assert.equal(WebACLArn, arn);
    assert.match(flat(ResourceArn), /^<Balancer\w+>$/);
    assert.deepEqual(resources(owners, 'AWS::WAFv2::WebACL'), {});
  });

  it('has a web ACL of ours that blocks no file, whatever its size and contents', () => {
    const { Rules, DefaultAction } = only(api({ apiWaf: 'managed' }), 'AWS::WAFv2::WebACL');
    assert.deepEqual(DefaultAction, { Allow: {} });
    const blocking: string[] = [];
    for (const { Statement } of Rules as { Statement: Record<string, Json> }[]) {
      const group = Statement.ManagedRuleGroupStatement as
        | { Name: string; RuleActionOverrides: { Name: string; ActionToUse: Json }[] }
        | undefined;
      const counted = group?.RuleActionOverrides ?? [];
      for (const { ActionToUse } of counted) {
        assert.deepEqual(ActionToUse, { Count: {} });
      }
      const names = counted.map(({ Name }) => Name);
      blocking.push(...(READ_BODIES[group?.Name ?? ''] ?? []).filter((rule) => !names.includes(rule)));
    }
    assert.deepEqual(blocking, []);
    assert.match(JSON.stringify(Rules), /"RateBasedStatement".*"SearchString":"\/api\/token"/);
  });
});

/** The rules of AWS's groups that look at bodies, by their documentation of November 2026. */
const READ_BODIES: Readonly<Record<string, readonly string[]>> = {
  AWSManagedRulesCommonRuleSet: [
    'SizeRestrictions_BODY',
    'EC2MetaDataSSRF_BODY',
    'GenericLFI_BODY',
    'GenericRFI_BODY',
    'CrossSiteScripting_BODY',
  ],
  AWSManagedRulesKnownBadInputsRuleSet: ['JavaDeserializationRCE_BODY', 'Log4JRCE_BODY', 'ReactJSRCE_BODY'],
};

describe('a task of the API', () => {
  it('is told what its server needs to know', () => {
    const variables = environment(aws);
    const { LAZARET_API_USER_POOL_ID, LAZARET_API_CLIENT_IDS, ...rest } = variables;
    assert.match(LAZARET_API_USER_POOL_ID ?? '', /^<LazaretStorage\..*UsersPool\w+>$/);
    assert.match(LAZARET_API_CLIENT_IDS ?? '', /^<LazaretStorage\..*UsersPoolClient\w+>$/);
    const own = Object.fromEntries(Object.entries(rest).filter(([name]) => name.startsWith('LAZARET_API_')));
    assert.deepEqual(own, {
      LAZARET_API_ASYNC: '0',
      LAZARET_API_ASYNC_BYTES: String(64 * 1024 ** 2),
      LAZARET_API_DISK_BYTES: String(8 * 1024 ** 3),
      LAZARET_API_DRAIN_SECONDS: '100',
      LAZARET_API_GRACE_SECONDS: '10',
      LAZARET_API_IDLE_SECONDS: '3660',
      LAZARET_API_MAX_BYTES: String(2 * 1024 ** 3),
      LAZARET_API_MEMORY_BYTES: String(256 * 1024 ** 2),
      LAZARET_API_PROXIES: '1',
      LAZARET_API_SCAN_BUCKETS: '*',
      LAZARET_API_SECONDS: '3600',
      LAZARET_API_UPLOAD_BUCKETS: '',
    });
    const config = fs.readFileSync(path.join(REPOSITORY_ROOT, 'api', 'src', 'config.rs'), 'utf8');
    for (const name of Object.keys(variables).filter((name) => name.startsWith('LAZARET_API_'))) {
      assert.ok(config.includes(`"${name}"`), `${name} is no variable of the server`);
    }
  });

  it('has the agents’ engine, set as theirs', () => {
    const agents = environment(deployed.jobs, 'lazaret-agent');
    for (const name of [
      'ENGINE',
      'ENGINE_LIMITS',
      'DEFINITIONS',
      'DEFINITIONS_MAX_AGE_SECONDS',
      'SCAN_WORKERS',
      'SCAN_SECONDS',
    ]) {
      assert.ok(agents[`LAZARET_${name}`]);
      assert.equal(environment(aws)[`LAZARET_${name}`], agents[`LAZARET_${name}`], name);
    }
  });

  it('names buckets to the server, and leaves patterns to its role', () => {
    const named = environment(api({ apiScanBuckets: 'invoices,team-x', apiUploadBuckets: 'clean,cleaner' }));
    assert.equal(named.LAZARET_API_SCAN_BUCKETS, 'invoices,team-x');
    assert.equal(named.LAZARET_API_UPLOAD_BUCKETS, 'clean,cleaner');
  });

  it('has room for all the files that its server may hold', () => {
    const size = (template: Template): unknown[] => {
      const { Cpu, Memory, EphemeralStorage } = only(template, 'AWS::ECS::TaskDefinition');
      return [Cpu, Memory, (EphemeralStorage as { SizeInGiB: number }).SizeInGiB];
    };
    assert.deepEqual(size(aws), ['2048', String(7 * 1024), 28]);
    const large = { apiMemoryBytes: 3 * 1024 ** 3, apiDiskBytes: 100 * 1024 ** 3, apiMaxBytes: 20 * 1024 ** 3 };
    assert.deepEqual(size(api(large)), ['2048', String(9 * 1024), 120]);
  });

  it('is asked on the port that the load balancer knows, by the contract’s names', () => {
    const { Family } = only(aws, 'AWS::ECS::TaskDefinition');
    const { Name, PortMappings, ReadonlyRootFilesystem, LinuxParameters } = container(aws);
    assert.deepEqual([Family, Name], ['lazaret-api', 'api']);
    assert.deepEqual(PortMappings, [{ ContainerPort: 8080, Protocol: 'tcp' }]);
    assert.equal(ReadonlyRootFilesystem, true);
    assert.deepEqual(LinuxParameters, { Capabilities: { Drop: ['ALL'] }, InitProcessEnabled: true });
    const { LoadBalancers, ServiceName } = only(aws, 'AWS::ECS::Service');
    const [{ ContainerName, ContainerPort } = {}] = LoadBalancers as Record<string, Json>[];
    assert.deepEqual([ServiceName, ContainerName, ContainerPort], ['lazaret-api', 'api', 8080]);
  });

  it('finishes what it has in hand: first no requests come, and only then is it told to end, with time to', () => {
    assert.equal(targetAttributes(aws)['deregistration_delay.timeout_seconds'], '900');
    assert.ok(900 >= Number(environment(aws).LAZARET_SCAN_SECONDS), 'the longest scan');
    const { LAZARET_API_GRACE_SECONDS: grace, LAZARET_API_DRAIN_SECONDS: drain } = environment(aws);
    const stop = Number(container(aws).StopTimeout);
    assert.equal(stop, 120);
    assert.ok(Number(grace) + Number(drain) < stop);
    const other = targetAttributes(api({ apiDeregistrationSeconds: 60 }));
    assert.equal(other['deregistration_delay.timeout_seconds'], '60');
  });
});

describe('the service of the API', () => {
  it('starts new tasks before it ends old ones, and goes back if they do not become ready', () => {
    const { DeploymentConfiguration, HealthCheckGracePeriodSeconds, DesiredCount } = only(aws, 'AWS::ECS::Service');
    assert.deepEqual(DeploymentConfiguration, {
      DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      MaximumPercent: 200,
      MinimumHealthyPercent: 100,
    });
    assert.ok(Number(HealthCheckGracePeriodSeconds) >= 180);
    assert.equal(DesiredCount, undefined, 'a deployment would undo the scaling');
  });

  it('has one to three tasks, by their CPU and by requests, within what was set', () => {
    const bounds = (template: Template): unknown[] => {
      const { ResourceId, MinCapacity, MaxCapacity } = only(template, 'AWS::ApplicationAutoScaling::ScalableTarget');
      return [ResourceId, MinCapacity, MaxCapacity];
    };
    const targets = (template: Template): unknown[] =>
      Object.values(resources(template, 'AWS::ApplicationAutoScaling::ScalingPolicy'))
        .map(({ Properties }) => Properties.TargetTrackingScalingPolicyConfiguration as Record<string, Json>)
        .map(({ PredefinedMetricSpecification, TargetValue }) => [
          (PredefinedMetricSpecification as Record<string, Json>).PredefinedMetricType,
          TargetValue,
        ]);
    assert.deepEqual(bounds(aws), ['service/lazaret/lazaret-api', 1, 3]);
    assert.deepEqual(targets(aws), [
      ['ECSServiceAverageCPUUtilization', 60],
      ['ALBRequestCountPerTarget', 3000],
    ]);
    const set = api({ apiTasksMin: 2, apiTasksMax: 9, apiCpuPercent: 40, apiRequestsPerTask: 500 });
    assert.deepEqual(bounds(set), ['service/lazaret/lazaret-api', 2, 9]);
    assert.deepEqual(targets(set), [
      ['ECSServiceAverageCPUUtilization', 40],
      ['ALBRequestCountPerTarget', 500],
    ]);
    const [requests] = Object.values(resources(aws, 'AWS::ApplicationAutoScaling::ScalingPolicy')).filter(
      ({ Properties }) => Properties.PolicyName === 'lazaret-api-requests',
    );
    assert.match(JSON.stringify(requests), /LoadBalancerFullName.*TargetGroupFullName/);
  });
});

describe('the users of the API', () => {
  it('are made by who may, with passwords that are not guessed, and stay', () => {
    const [pool] = Object.values(resources(kept, 'AWS::Cognito::UserPool'));
    assert.ok(pool);
    const { UserPoolName, AdminCreateUserConfig, DeletionProtection, MfaConfiguration, Policies } = pool.Properties;
    assert.deepEqual(
      [UserPoolName, AdminCreateUserConfig, DeletionProtection, MfaConfiguration, pool.DeletionPolicy],
      ['lazaret', { AllowAdminCreateUserOnly: true }, 'ACTIVE', 'OFF', 'Retain'],
    );
    const { PasswordPolicy } = Policies as { PasswordPolicy: Record<string, Json> };
    const { MinimumLength, TemporaryPasswordValidityDays: _, ...required } = PasswordPolicy;
    assert.ok(Number(MinimumLength) >= 12);
    assert.deepEqual(Object.values(required), [true, true, true, true]);
  });

  it('have one client, without a secret, whose tokens last an hour', () => {
    const client = only(kept, 'AWS::Cognito::UserPoolClient');
    const { ClientName, GenerateSecret, AccessTokenValidity, TokenValidityUnits, PreventUserExistenceErrors } = client;
    assert.deepEqual(
      [ClientName, GenerateSecret, AccessTokenValidity, (TokenValidityUnits as Record<string, Json>).AccessToken],
      ['lazaret-api', false, 60, 'minutes'],
    );
    assert.equal(PreventUserExistenceErrors, 'ENABLED');
    assert.deepEqual(client.ExplicitAuthFlows, ['ALLOW_USER_PASSWORD_AUTH'], 'no token makes another');
  });
});

describe('the role of the API', () => {
  const role = 'ApiWorkerTaskRole';
  const results = `arn:<AWS::Partition>:s3:::lazaret-results-${ACCOUNT}-${REGION}`;
  const key = `arn:aws:kms:${REGION}:${ACCOUNT}:key/1`;
  const statements = new Statements('api', { ...ON, apiUploadBuckets: 'clean', kmsKeyArns: key });
  const plain = new Statements('api', ON);

  it('may do this, and nothing else', () => {
    assert.deepEqual([...statements.may(role)].sort(), [
      'kms:Decrypt',
      'kms:GenerateDataKey',
      's3:GetObject',
      's3:GetObjectVersion',
      's3:ListBucket',
      's3:ListBucketVersions',
      's3:PutObject',
      's3:PutObjectTagging',
    ]);
    assert.deepEqual([...plain.may(role)].sort(), [
      's3:GetObject',
      's3:GetObjectVersion',
      's3:ListBucket',
      's3:ListBucketVersions',
      's3:PutObject',
    ]);
  });

  it('writes answers that are fetched later, and stores where the owner says', () => {
    assert.deepEqual(plain.on(role, 's3:PutObject'), [`${results}/api/jobs/*`]);
    assert.deepEqual(statements.on(role, 's3:PutObject'), [
      'arn:<AWS::Partition>:s3:::clean/*',
      `${results}/api/jobs/*`,
    ]);
    assert.deepEqual(statements.on(role, 's3:PutObjectTagging'), ['arn:<AWS::Partition>:s3:::clean/*']);
  });

  it('reads the buckets that the owner named, definitions, settings and those answers', () => {
    const own = [`${results}/api/jobs/*`, `${results}/definitions/*`, `${results}/settings/*`];
    const objects = (...names: string[]): string[] => names.map((name) => `arn:<AWS::Partition>:s3:::${name}/*`);
    assert.deepEqual(plain.on(role, 's3:GetObject'), [...objects('invoices'), ...own, ...objects('team-*')]);
    const fewer = new Statements('api', { ...ON, apiScanBuckets: 'invoices' });
    assert.deepEqual(fewer.on(role, 's3:GetObject'), [...objects('invoices'), ...own]);
    assert.deepEqual(fewer.on(role, 's3:GetObjectVersion'), objects('invoices'));
  });

  it('reads neither what others were told nor what is infected, whatever pattern the owner gave', () => {
    const [denied] = new Statements('api', { ...ON, scanBuckets: '*' }).denied(role);
    assert.deepEqual(denied?.actions, ['s3:GetObject', 's3:GetObjectVersion']);
    assert.deepEqual(
      denied?.resources,
      [
        `arn:<AWS::Partition>:s3:::lazaret-quarantine-${ACCOUNT}-${REGION}/*`,
        ...['jobs', 'verdicts', 'work'].map((folder) => `${results}/${folder}/*`),
      ].sort(),
    );
  });
});

describe('the alarms over the API', () => {
  const alarms = Object.values(resources(aws, 'AWS::CloudWatch::Alarm')).map(({ Properties }) => Properties);
  const alarm = (name: string): Record<string, Json> => {
    const found = alarms.find(({ AlarmName }) => AlarmName === name);
    assert.ok(found, name);
    return found;
  };

  it('take silence about tasks for none, and silence elsewhere for nobody who calls', () => {
    for (const { AlarmName, TreatMissingData } of alarms) {
      assert.equal(
        TreatMissingData,
        AlarmName === 'lazaret-api-down' ? 'breaching' : 'notBreaching',
        String(AlarmName),
      );
    }
    const { MetricName, Statistic, Threshold, ComparisonOperator } = alarm('lazaret-api-down');
    assert.deepEqual(
      [MetricName, Statistic, ComparisonOperator, Threshold],
      ['HealthyHostCount', 'Maximum', 'LessThanThreshold', 1],
    );
  });

  it('count as refused what found no room, and no guessed password', () => {
    const { Metrics } = alarm('lazaret-api-refusing');
    const names = (Metrics as { MetricStat?: { Metric: { MetricName: string; Namespace: string } } }[])
      .map(({ MetricStat }) => MetricStat?.Metric)
      .filter((metric) => metric?.Namespace === 'Lazaret')
      .map((metric) => metric?.MetricName ?? '');
    assert.deepEqual(names.sort(), ['ApiRefusedQueue', 'ApiRefusedReceiving', 'ApiRefusedRoom']);
  });

  it('go off where one answer in a hundred takes longer than was set', () => {
    assert.deepEqual([alarm('lazaret-api-slow').ExtendedStatistic, alarm('lazaret-api-slow').Threshold], ['p99', 60]);
    const set = Object.values(resources(api({ apiSlowSeconds: 5 }), 'AWS::CloudWatch::Alarm')).find(
      ({ Properties }) => Properties.AlarmName === 'lazaret-api-slow',
    );
    assert.equal(set?.Properties.Threshold, 5);
  });

  it('tell a topic where there is one', () => {
    const operators = `arn:aws:sns:${REGION}:${ACCOUNT}:operators`;
    for (const { Properties } of Object.values(
      resources(api({ alarmTopicArn: operators }), 'AWS::CloudWatch::Alarm'),
    )) {
      assert.deepEqual(Properties.AlarmActions, [operators]);
    }
  });
});

describe('the API in the local cloud', () => {
  it('is plain, asks the emulator for its keys and its logins, and goes with its stack', () => {
    assert.equal(only(local, 'AWS::ElasticLoadBalancingV2::Listener').Protocol, 'HTTP');
    const variables = environment(local);
    assert.match(
      variables.LAZARET_API_JWKS_URL ?? '',
      /^http:\/\/127\.0\.0\.1:4566\/<LazaretStorage\..*UsersPool\w+>\/\.well-known\/jwks\.json$/,
    );
    assert.equal(variables.LAZARET_API_COGNITO_URL, 'http://127.0.0.1:4566');
    for (const [, { DeletionPolicy }] of Object.entries(resources(localKept, 'AWS::Cognito::UserPool'))) {
      assert.equal(DeletionPolicy, 'Delete');
    }
  });

  it('needs nothing that the emulator lacks', () => {
    const types = Object.values(local.toJSON().Resources as Record<string, { Type: string }>).map(({ Type }) => Type);
    for (const type of new Set(types)) {
      assert.ok(!/^Custom::|NatGateway|EIP|FlowLog|CapacityProvider/.test(type), type);
    }
    assert.equal(local.toJSON().Rules, undefined, 'a local deployment asks for a bootstrap');
  });
});

function callers(template: Template): unknown[][] {
  const [group] = Object.entries(resources(template, 'AWS::EC2::SecurityGroup')).filter(([id]) =>
    id.startsWith('BalancerCallers'),
  );
  const rules = group?.[1].Properties.SecurityGroupIngress as Record<string, Json>[];
  return rules.map(({ CidrIp, FromPort, ToPort }) => [CidrIp, FromPort, ToPort]);
}

function balancerAttributes(template: Template): Record<string, string> {
  return pairs(only(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer').LoadBalancerAttributes);
}

function targetAttributes(template: Template): Record<string, string> {
  return pairs(only(template, 'AWS::ElasticLoadBalancingV2::TargetGroup').TargetGroupAttributes);
}

function pairs(attributes: Json | undefined): Record<string, string> {
  return Object.fromEntries((attributes as { Key: string; Value: string }[]).map(({ Key, Value }) => [Key, Value]));
}

function container(template: Template, family = 'lazaret-api'): Record<string, Json> {
  const [definition] = Object.values(resources(template, 'AWS::ECS::TaskDefinition')).filter(
    ({ Properties }) => Properties.Family === family,
  );
  assert.ok(definition, family);
  const [found] = definition.Properties.ContainerDefinitions as Record<string, Json>[];
  assert.ok(found);
  return found;
}

function environment(template: Template, family = 'lazaret-api'): Record<string, string> {
  const variables = container(template, family).Environment as { Name: string; Value: Json }[];
  return Object.fromEntries(variables.map(({ Name, Value }) => [Name, flat(Value)]));
}
