import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Says why findings of cdk-nag are right as they are: rule (or `rule[finding]`) → reason. Stands beside the resource. */
export function acknowledge(construct: IConstruct, reasons: Readonly<Record<string, string>>): void {
  for (const [id, reason] of Object.entries(reasons)) {
    Validations.of(construct).acknowledge({ id, reason });
  }
}
