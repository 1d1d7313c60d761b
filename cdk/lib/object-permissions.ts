import type { Arns } from './arns';
import type { Settings } from './config';
import type { Permission } from './permissions';

/** What agents and the promotion have in common: both take an object from its bucket (one of `objects`) once its verdict is known. */
export function takeObjects(arns: Arns, objects: readonly string[]): Permission[] {
  return [
    {
      why: 'Reads, tags and, where the verdict says so, removes any object of the buckets that the owner named.',
      actions: [
        's3:GetObject',
        's3:GetObjectVersion',
        's3:GetObjectTagging',
        's3:GetObjectVersionTagging',
        's3:PutObjectTagging',
        's3:PutObjectVersionTagging',
        's3:DeleteObjectTagging',
        's3:DeleteObjectVersionTagging',
        's3:DeleteObject',
        's3:DeleteObjectVersion',
      ],
      resources: objects,
    },
    {
      why: 'Moves infected objects here, and looks whether one is here already before it calls it gone.',
      actions: [
        's3:PutObject',
        's3:PutObjectTagging',
        's3:GetObject',
        's3:GetObjectTagging',
        's3:AbortMultipartUpload',
      ],
      resources: [arns.quarantineObjects],
    },
  ];
}

/** With the keys that the owner named, if there are any. */
export function useKeys(settings: Settings, why: string, actions: readonly string[]): Permission[] {
  return settings.kmsKeyArns.length === 0 ? [] : [{ why, actions, resources: settings.kmsKeyArns }];
}
