import assert from 'node:assert/strict';
import type { Template } from 'aws-cdk-lib/assertions';
import { ACCOUNT, deployment, flat, type Json, REGION, resources, templates } from './support';

/** One statement of a role's policy. */
export interface Statement {
  readonly role: string;
  readonly effect: string;
  readonly actions: string[];
  readonly resources: string[];
  readonly condition: Json | undefined;
}

export const RESULTS = `arn:<AWS::Partition>:s3:::lazaret-results-${ACCOUNT}-${REGION}`;
export const QUARANTINE = `arn:<AWS::Partition>:s3:::lazaret-quarantine-${ACCOUNT}-${REGION}`;
export const KEY = `arn:aws:kms:${REGION}:${ACCOUNT}:key/1`;
export const STAGING = ['arn:<AWS::Partition>:s3:::invoices', 'arn:<AWS::Partition>:s3:::team-*'];
export const PRODUCTION = 'arn:<AWS::Partition>:s3:::production';

/** What the roles of one stack may do. */
export class Statements {
  readonly all: readonly Statement[];

  constructor(
    readonly stack: 'jobs' | 'events' | 'api' | 'schedules' | 'definitions',
    context: Record<string, unknown>,
  ) {
    const template = templates(deployment('aws', context))[stack];
    assert.ok(template, stack);
    this.all = statementsOf(template);
  }

  allowed(role: string): Statement[] {
    const found = this.all.filter((statement) => statement.role.startsWith(role) && statement.effect === 'Allow');
    assert.ok(found.length > 0, role);
    return found;
  }

  denied(role: string): Statement[] {
    return this.all.filter((statement) => statement.role.startsWith(role) && statement.effect === 'Deny');
  }

  /** All actions of a role. */
  may(role: string): Set<string> {
    return new Set(this.allowed(role).flatMap(({ actions }) => actions));
  }

  /** What a role may do that to. */
  on(role: string, action: string): string[] {
    return this.allowed(role)
      .filter(({ actions }) => actions.includes(action))
      .flatMap(({ resources }) => resources)
      .sort();
  }
}

export function statementsOf(template: Template): Statement[] {
  return Object.values(resources(template, 'AWS::IAM::Policy')).flatMap(({ Properties }) => {
    const role = (Properties.Roles as { Ref: string }[])[0]?.Ref ?? '';
    const document = Properties.PolicyDocument as { Statement: Record<string, Json>[] };
    return document.Statement.map((statement) => ({
      role,
      effect: String(statement.Effect),
      actions: list(statement.Action).map(String),
      resources: list(statement.Resource).map(flat).sort(),
      condition: statement.Condition,
    }));
  });
}

function list(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}
