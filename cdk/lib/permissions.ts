import { Aws } from 'aws-cdk-lib';
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

/** Gives a role what it needs and nothing else: no `*` in actions, and each `*` in a resource with its reason. */
export function permit(role: iam.Role, permissions: readonly Permission[]): void {
  for (const { why, actions, resources, conditions } of permissions) {
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: [...actions],
        resources: [...resources],
        ...(conditions === undefined ? {} : { conditions }),
      }),
    );
    for (const resource of resources.filter((arn) => arn.includes('*'))) {
      acknowledge(role, { [`AwsSolutions-IAM5[Resource::${asNagSpells(resource)}]`]: why });
    }
  }
}

/** Takes from a role what a wide permission would have given it. */
export function forbid(role: iam.Role, actions: readonly string[], resources: readonly string[]): void {
  role.addToPolicy(
    new iam.PolicyStatement({ effect: iam.Effect.DENY, actions: [...actions], resources: [...resources] }),
  );
}

function asNagSpells(arn: string): string {
  return arn.replaceAll(Aws.PARTITION, '<AWS::Partition>');
}
