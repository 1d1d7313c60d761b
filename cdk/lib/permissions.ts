import { Aws, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { acknowledge } from './acknowledge';

/** What a role may do, and what for. */
export interface Permission {
  /** The reason, in words for whoever reviews the role; it is also the answer to cdk-nag's question about each `*` in `resources`. */
  readonly why: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Record<string, Record<string, string | readonly string[]>>;
}

/** What `permit` and `forbid` said of a role, with the account's condition: docs/permissions.md is made from it. */
export interface Said extends Permission {
  readonly effect: 'Allow' | 'Deny';
}

const said = new WeakMap<iam.Role, Said[]>();

export function saidOf(role: iam.Role): readonly Said[] {
  return said.get(role) ?? [];
}

function say(role: iam.Role, sentence: Said): void {
  said.set(role, [...saidOf(role), sentence]);
}

/** Gives a role what it needs and nothing else: no `*` in actions, and each `*` in a resource with its reason. */
export function permit(role: iam.Role, permissions: readonly Permission[]): void {
  for (const permission of permissions) {
    const { why, actions, resources } = permission;
    const conditions = { ...permission.conditions, ...ownBuckets(role, permission) };
    say(role, { effect: 'Allow', why, actions, resources, conditions });
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: [...actions],
        resources: [...resources],
        ...(Object.keys(conditions).length === 0 ? {} : { conditions }),
      }),
    );
    for (const resource of resources.filter((arn) => arn.includes('*'))) {
      acknowledge(role, { [`AwsSolutions-IAM5[Resource::${asNagSpells(resource)}]`]: why });
    }
  }
}

/**
 * A bucket's ARN names no account, and its name is free for anybody once it is deleted: what a role may do, it may do in buckets of its own account
 * alone, whoever holds the name.
 */
function ownBuckets(role: iam.Role, { actions, resources }: Permission): Permission['conditions'] {
  const onBuckets = actions.every((action) => action.startsWith('s3:')) && !resources.includes('*');
  return onBuckets ? { StringEquals: { 'aws:ResourceAccount': Stack.of(role).account } } : {};
}

/** Takes from a role what a wide permission would have given it. */
export function forbid(role: iam.Role, why: string, actions: readonly string[], resources: readonly string[]): void {
  say(role, { effect: 'Deny', why, actions, resources });
  role.addToPolicy(
    new iam.PolicyStatement({ effect: iam.Effect.DENY, actions: [...actions], resources: [...resources] }),
  );
}

function asNagSpells(arn: string): string {
  return arn.replaceAll(Aws.PARTITION, '<AWS::Partition>');
}
