import { Aws } from 'aws-cdk-lib';
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

/** With the keys that the owner named, if there are any: where S3 asks for it, on an object's behalf. */
export function useKeys(settings: Settings, why: string, actions: readonly string[]): Permission[] {
  const conditions = { StringEquals: { 'kms:ViaService': `s3.${Aws.REGION}.${Aws.URL_SUFFIX}` } };
  return settings.kmsKeyArns.length === 0 ? [] : [{ why, actions, resources: settings.kmsKeyArns, conditions }];
}

/**
 * What the key of our own two buckets (`ownKeyArn`) takes, from what a role may do there: to read is to decrypt, and to write is to have a data key made, and
 * decrypted again where the parts of an upload are put together. By way of S3 alone.
 */
export function useOwnKey(settings: Settings, region: string, permissions: readonly Permission[]): Permission[] {
  const may = (action: RegExp): boolean =>
    permissions.some(
      ({ actions, resources }) =>
        actions.some((name) => action.test(name)) && resources.some((arn) => OWN_OBJECTS.test(arn)),
    );
  const [reads, writes] = [may(/^s3:GetObject(Version)?$/), may(/^s3:PutObject$/)];
  if (settings.ownKeyArn === undefined || (!reads && !writes)) {
    return [];
  }
  return [
    {
      why: 'Reads or writes in our own buckets, under the key that the owner named for them.',
      actions: ['kms:Decrypt', ...(writes ? ['kms:GenerateDataKey'] : [])],
      resources: [settings.ownKeyArn],
      conditions: { StringEquals: { 'kms:ViaService': `s3.${region}.amazonaws.com` } },
    },
  ];
}

const OWN_OBJECTS = /:::lazaret-(results|quarantine)-[^/]*\//;
