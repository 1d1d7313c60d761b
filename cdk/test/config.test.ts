import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import { App } from 'aws-cdk-lib';
import { AWS_SETTINGS, readSettings, type Settings } from '../lib/config';
import { readRegions } from '../lib/config-regions';
import { REPOSITORY_ROOT } from '../lib/repository';

function read(context: Record<string, unknown>, environment: NodeJS.ProcessEnv = {}): Settings {
  return readSettings(new App({ context }).node, environment);
}

describe('the settings', () => {
  it('have defaults for all but the buckets', () => {
    const settings = read({ scanBuckets: 'a-bucket, team-*' });
    assert.deepEqual(settings, {
      ...AWS_SETTINGS,
      scanBuckets: ['a-bucket', 'team-*'],
      stagingBuckets: ['a-bucket', 'team-*'],
      api: { ...AWS_SETTINGS.api, scanBuckets: ['a-bucket', 'team-*'] },
    });
    assert.throws(() => read({}), /scanBuckets is not set/);
  });

  it('are local by context or by environment, with short times', () => {
    for (const settings of [read({ local: 'true' }), read({ local: true }), read({}, { LAZARET_LOCAL: '1' })]) {
      assert.equal(settings.local, true);
      assert.deepEqual(settings.scanBuckets, ['*']);
      const { heartbeatSeconds, visibilitySeconds, idleSeconds, pollSeconds, progressSeconds } = settings;
      assert.deepEqual(
        [heartbeatSeconds, visibilitySeconds, idleSeconds, pollSeconds, progressSeconds],
        [10, 20, 3, 1, 1],
      );
      const { promoteBuckets, eventAgentsMin, eventAgentsMax, activationSettleSeconds, stagingLimitSeconds } = settings;
      assert.deepEqual(promoteBuckets, ['*']);
      assert.deepEqual([eventAgentsMin, eventAgentsMax, activationSettleSeconds, stagingLimitSeconds], [1, 2, 2, 5]);
    }
  });

  it('take the agent’s paths from the environment locally, and from the image on AWS', () => {
    const environment = { LAZARET_ENGINE: '/engine' };
    const local = read({}, { ...environment, LAZARET_LOCAL: '1' });
    assert.deepEqual(local.agentPaths, { engine: '/engine', scratchDir: '/scratch' });
    assert.deepEqual(read({ scanBuckets: '*' }, environment).agentPaths, AWS_SETTINGS.agentPaths);
  });

  it('are read from strings and from numbers', () => {
    const settings = read({ scanBuckets: ['one', 'two'], maxAgents: '50', agentCpu: 4096, architecture: 'x86_64' });
    assert.equal(settings.maxAgents, 50);
    assert.deepEqual(settings.agent, { cpu: 4096, memoryMiB: 8192 });
    assert.equal(settings.architecture, 'x86_64');
    for (const never of ['0', 0]) {
      assert.equal(read({ scanBuckets: '*', definitionsMaxAgeSeconds: never }).definitionsMaxAgeSeconds, 0);
      assert.equal(read({ scanBuckets: '*', eventAgentsMin: never }).eventAgentsMin, 0);
    }
  });

  it('hold staging buckets to what may be scanned', () => {
    const staging = (scanBuckets: string, stagingBuckets: string): readonly string[] =>
      read({ scanBuckets, stagingBuckets }).stagingBuckets;
    assert.deepEqual(staging('*', 'uploads,in-*'), ['uploads', 'in-*']);
    assert.deepEqual(staging('team-*,a.b', 'team-x-*,a.b'), ['team-x-*', 'a.b']);
    assert.throws(() => staging('a.b', 'axb'), /`axb` is not within scanBuckets/);
    assert.throws(() => staging('team-*', '*'), /`\*` is not within scanBuckets/);
  });

  it('that can’t be what was meant are named', () => {
    const bad: [Record<string, unknown>, RegExp][] = [
      [{ quotaShare: 1.5 }, /quotaShare is 1\.5/],
      [{ maxAgents: 'many' }, /maxAgents is `many`/],
      [{ maxAgents: 0 }, /maxAgents is `0`/],
      [{ maxAgents: 1.5 }, /maxAgents is 1\.5/],
      [{ architecture: 'riscv' }, /architecture is `riscv`/],
      [{ assignPublicIp: 'perhaps' }, /assignPublicIp is `perhaps`/],
      [{ scanBuckets: 'arn:aws:s3:::b' }, /scanBuckets: `arn:aws:s3:::b`/],
      [{ vpcId: 'vpc-1' }, /vpcId and subnetIds belong together/],
      [{ promoteBuckets: 's3://b' }, /promoteBuckets: `s3:\/\/b`/],
      [{ stagingBuckets: 's3://b' }, /stagingBuckets: `s3:\/\/b`/],
      [{ stagingBuckets: 'one,t*' }, /stagingBuckets: `t\*` is not within scanBuckets/],
      [{ promoteType: 'express' }, /promoteType is `express`/],
      [{ eventAgentsMin: 13 }, /eventAgentsMin is 13, above eventAgentsMax, 12/],
      [{ eventAgentsMin: -1 }, /eventAgentsMin is `-1`/],
      [
        { quarantineLockDays: 30, quarantineExpiryDays: 29 },
        /quarantineExpiryDays is 29, below quarantineLockDays, 30/,
      ],
      [{ heartbeatSeconds: 10 }, /heartbeatSeconds is below 120/],
      [{ scratchGiB: 20 }, /scratchGiB is 20/],
      [{ definitionsPollSeconds: 0 }, /definitionsPollSeconds is `0`/],
      [{ definitionsMaxAgeSeconds: 'a week' }, /definitionsMaxAgeSeconds is `a week`/],
      [{ visibilitySeconds: 50_000 }, /visibilitySeconds is 50000/],
      [{ jobsEnabled: false, eventsEnabled: true }, /eventsEnabled needs jobsEnabled/],
      [{ jobsEnabled: false }, /nothing would be deployed/],
      [{ tags: 'team' }, /tags: `team` is no pair/],
    ];
    for (const [context, message] of bad) {
      assert.throws(() => read({ scanBuckets: 'one', ...context }), message);
    }
  });

  it('of an API that can’t be what was meant are named', () => {
    const certificate = 'arn:aws:acm:eu-central-1:111122223333:certificate/1';
    const bad: [Record<string, unknown>, RegExp][] = [
      [{ apiCertificateArn: '' }, /apiCertificateArn is not set/],
      [{ apiCertificateArn: '', apiInternal: true }, /apiCertificateArn is not set/],
      [{ apiCertificateArn: 'my-certificate' }, /apiCertificateArn: `my-certificate`/],
      [{ apiPlainHttp: true }, /contradict each other/],
      [{ apiCertificateArn: '', apiPlainHttp: true }, /apiPlainHttp=true is for an internal load balancer alone/],
      [{ apiSubnetIds: 'subnet-1,subnet-2' }, /apiSubnetIds are two or more, of the VPC that vpcId names/],
      [{ vpcId: 'vpc-1', subnetIds: 's-1', apiSubnetIds: 's-2' }, /apiSubnetIds are two or more/],
      [{ apiWaf: 'yes' }, /apiWaf is `yes`/],
      [{ apiTasksMin: 4 }, /apiTasksMin is 4, above apiTasksMax, 3/],
      [{ apiTasksMin: 0 }, /apiTasksMin is `0`/],
      [{ apiCpuPercent: 101 }, /apiCpuPercent is 101/],
      [{ apiCpu: 512 }, /apiCpu is 512/],
      [{ apiCpu: 1024, apiMemoryBytes: 4 * 1024 ** 3 }, /apiMemoryBytes is 4294967296: with it a task needs 10 GiB/],
      [{ apiDiskBytes: 1024 ** 3 }, /apiDiskBytes is 1073741824, below apiMaxBytes/],
      [{ apiDiskBytes: 190 * 1024 ** 3 }, /a task needs 210 GiB/],
      [{ apiAnswerSeconds: 3971 }, /apiAnswerSeconds is 3971; the load balancer waits for 3970 at most/],
      [{ apiDeregistrationSeconds: 3601 }, /apiDeregistrationSeconds is 3601/],
      [{ apiScanBuckets: 's3://b' }, /apiScanBuckets: `s3:\/\/b`/],
      [{ apiScanBuckets: '' }, /apiScanBuckets is empty/],
      [{ apiUploadBuckets: 'clean-*' }, /apiUploadBuckets: `clean-\*` is not a bucket's name/],
      [{ apiUploadBuckets: 'lazaret-results-1-eu' }, /apiUploadBuckets: `lazaret-results-1-eu` is Lazaret's own/],
    ];
    const enabled = { scanBuckets: 'one', apiEnabled: true, apiCertificateArn: certificate };
    assert.equal(read(enabled).api.certificateArn, certificate);
    for (const [context, message] of bad) {
      assert.throws(() => read({ ...enabled, ...context }), message);
    }
    // what is not deployed need not be right
    assert.equal(read({ scanBuckets: 'one', apiWaf: 'yes' }).api.enabled, false);
  });

  it('size agents as the model does', () => {
    const fleet = fs.readFileSync(path.join(REPOSITORY_ROOT, 'workers', 'model', 'src', 'fleet.rs'), 'utf8');
    const { secondsPerObject, startupSeconds, maxAgents, scanWorkers } = AWS_SETTINGS;
    const defaults = `seconds_per_object: ${secondsPerObject}, seconds_per_byte: 1.0 / 8_000_000.0, startup_seconds: ${startupSeconds.toFixed(1)}, max_agents: ${maxAgents}, scan_workers: ${scanWorkers},`;
    assert.ok(
      fleet.replaceAll(/\s+/g, ' ').includes(defaults),
      `workers/model/src/fleet.rs no longer says ${defaults}`,
    );
    assert.equal(AWS_SETTINGS.secondsPerByte, 1 / 8_000_000);
  });
});

describe('the regions', () => {
  const regions = (value: unknown): unknown => readRegions(new App({ context: { regions: value } }).node);
  const plain = (...names: string[]): unknown => names.map((region) => ({ region, overrides: {} }));

  it('are that of the credentials, a list, or settings by region', () => {
    assert.equal(readRegions(new App().node), undefined);
    assert.equal(regions(''), undefined);
    for (const list of ['eu-west-1, us-east-1', ['eu-west-1', 'us-east-1'], '["eu-west-1","us-east-1"]']) {
      assert.deepEqual(regions(list), plain('eu-west-1', 'us-east-1'));
    }
    const settings = { 'eu-west-1': {}, 'us-gov-west-1': { vpcId: 'vpc-1' } };
    for (const value of [settings, JSON.stringify(settings)]) {
      assert.deepEqual(regions(value), [
        { region: 'eu-west-1', overrides: {} },
        { region: 'us-gov-west-1', overrides: { vpcId: 'vpc-1' } },
      ]);
    }
  });

  it('that can’t be what was meant are named', () => {
    assert.throws(() => regions('frankfurt'), /`frankfurt` is not a region's name/);
    assert.throws(() => regions('eu-west-1,eu-west-1'), /name each region once/);
    assert.throws(() => regions([]), /at least one/);
    assert.throws(() => regions('{"eu-west-1": 1}'), /what is set for `eu-west-1` is no object/);
    assert.throws(() => regions('{eu-west-1'), /no JSON/);
  });
});

describe('the packages', () => {
  const manifest = readJson('package.json') as Record<'dependencies' | 'devDependencies', Record<string, string>>;

  it('are pinned exactly', () => {
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      assert.match(version, /^\d+\.\d+\.\d+$/, name);
    }
  });

  it('come from whatever registry npm is told: the lock file names none', () => {
    const lock = readJson('package-lock.json') as { packages: Record<string, { resolved?: string }> };
    for (const [name, { resolved }] of Object.entries(lock.packages)) {
      assert.equal(resolved, undefined, name);
    }
  });

  function readJson(name: string): unknown {
    return JSON.parse(fs.readFileSync(path.join(REPOSITORY_ROOT, 'cdk', name), 'utf8'));
  }
});
