import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import { REPOSITORY_ROOT } from '../lib/repository';
import { CERTIFICATE, deployment, type Json, resources, templates } from './support';

const all = templates(deployment('aws', { apiEnabled: true, apiCertificateArn: CERTIFICATE }));
const tasks = [all.jobs, all.events, all.definitions, all.api]
  .flatMap((template) => Object.values(resources(template, 'AWS::ECS::TaskDefinition')))
  .map(({ Properties }) => ({
    family: String(Properties.Family),
    disk: Properties.EphemeralStorage as { SizeInGiB: number } | undefined,
    container: (Properties.ContainerDefinitions as Record<string, Json>[])[0] ?? {},
  }));

/** Of each task's image; event agents have that of the agents. */
const IMAGES: Record<string, string> = {
  'lazaret-crawler': 'workers/crawler/Dockerfile',
  'lazaret-agent': 'workers/agent/Dockerfile',
  'lazaret-event-agent': 'workers/agent/Dockerfile',
  'lazaret-definitions': 'cli/Dockerfile',
  'lazaret-api': 'api/Dockerfile',
};

describe('the images', () => {
  it('are those of the tasks', () => {
    assert.deepEqual(tasks.map(({ family }) => family).sort(), Object.keys(IMAGES).sort());
  });

  for (const [family, file] of Object.entries(IMAGES)) {
    const text = fs.readFileSync(path.join(REPOSITORY_ROOT, file), 'utf8');
    const last = text.slice(text.lastIndexOf('\nFROM '));
    const task = tasks.find((task) => task.family === family);

    it(`of ${family} is built on named releases, and holds no compiler`, () => {
      const bases = [...text.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
      assert.deepEqual(bases, ['rust:1.95-bookworm', 'debian:12-slim']);
      assert.doesNotMatch(text, /:latest|FROM [^:\s]+\s/);
      assert.match(last, /--no-install-recommends ca-certificates/);
      assert.doesNotMatch(last, /cargo|libclang|-dev\b|curl|wget/);
      assert.doesNotMatch(text, /^ADD /m);
    });

    it(`of ${family} runs as nobody of note, and has no other user after that`, () => {
      const instructions = last.split('\n').filter((line) => /^[A-Z]+ /.test(line));
      const user = instructions.findIndex((line) => line.startsWith('USER '));
      assert.equal(instructions[user], 'USER 10001:10001');
      assert.ok(instructions.slice(user + 1).every((line) => /^(EXPOSE|ENTRYPOINT) /.test(line)));
      assert.equal(task?.container.User, undefined);
      assert.notEqual(task?.container.Privileged, true);
    });

    it(`of ${family} has the one folder to write to that its task mounts, and no other`, () => {
      const mounts = (task?.container.MountPoints ?? []) as { ContainerPath: string }[];
      const volumes = [...last.matchAll(/^VOLUME \["([^"]+)"\]/gm)].map(([, folder]) => folder);
      assert.deepEqual(
        mounts.map(({ ContainerPath }) => ContainerPath),
        volumes,
      );
      assert.equal(task?.container.ReadonlyRootFilesystem, true);
      for (const folder of volumes) {
        assert.match(last, new RegExp(`install --directory --owner=10001 --group=10001 --mode=0700 ${folder}\\n`));
        assert.match(last, new RegExp(`TMPDIR=${folder}\\b`));
        assert.ok((task?.disk?.SizeInGiB ?? 0) >= 21);
      }
    });
  }
});
