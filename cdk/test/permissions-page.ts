import assert from 'node:assert/strict';
import * as path from 'node:path';
import type { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as iam from 'aws-cdk-lib/aws-iam';
import { type Said, saidOf } from '../lib/permissions';
import { REPOSITORY_ROOT } from '../lib/repository';
import { type Statement, statementsOf } from './statements';
import { ACCOUNT, CERTIFICATE, deployment, flat, type Json, REGION, resources } from './support';

export const PAGE = path.join(REPOSITORY_ROOT, 'docs', 'permissions.md');

const OWN_KEY = '00000000-0000-0000-0000-000000000000';

/** Everything on, with a name for each kind of bucket. */
const EVERYTHING = {
  scanBuckets: 'scanned-*,staging-*',
  stagingBuckets: 'staging-*',
  promoteBuckets: 'production-*',
  apiEnabled: true,
  apiCertificateArn: CERTIFICATE,
  apiScanBuckets: 'scanned-*',
  apiUploadBuckets: 'uploads',
  kmsKeyArns: `arn:aws:kms:${REGION}:${ACCOUNT}:key/customer`,
  ownKeyArn: `arn:aws:kms:${REGION}:${ACCOUNT}:key/${OWN_KEY}`,
  traces: true,
  traceImage: `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/collector:v1`,
};

const HEAD = `# Who may do what

Each task, function, state machine and schedule has a role of its own. This page is made from the synthesised templates with everything switched on, and a test holds it to them: every role, action, resource and
condition that is here is there, and the other way round. \`npm run permissions\` in \`cdk/\` writes it anew.

How to read it:

- The names of buckets are those of an example: \`scanBuckets=scanned-*,staging-*\`, \`stagingBuckets=staging-*\`, \`promoteBuckets=production-*\`, \`apiScanBuckets=scanned-*\`, \`apiUploadBuckets=uploads\`, one key in
  \`kmsKeyArns\`, one as \`ownKeyArn\`, and traces with a collector's image in an ECR of the owner's, \`collector\`. What a setting leaves empty is no row. \`ACCOUNT\` and \`REGION\` are the deployment's; \`arn:aws:\` is left out; \`<…>\` is a resource of the same stack.
- **Whatever a row allows in S3, it allows in buckets of the deployment's own account alone** (\`aws:ResourceAccount\`): a bucket's ARN names no account, and a name that was given up is anybody's. The one exception is
  \`s3:ListAllMyBuckets\`, which knows no bucket.
- A \`*\` in a resource has its reason in the row; cdk-nag asks for it, too. No action has one.
- A Deny outweighs every Allow, its role's and a bucket's.
- ECS and Step Functions take the roles of programs and state machines on behalf of this account alone (\`aws:SourceAccount\` in the roles' trust).
- CDK's own custom resource, where the deployment has a VPC of its own, may take the rules out of that VPC's default security group, once.

What bucket policies say besides: the results bucket's in \`cdk/README.md\`, those for other teams in \`docs/constructs.md\`. What people need: \`docs/protect.md\`.
`;

/** Why CDK or a service's own construct adds what \`permit\` did not say. */
const REST: Readonly<Record<string, string>> = {
  'ecr:BatchCheckLayerAvailability': 'Pulls its image.',
  'ecr:BatchGetImage': 'Pulls its image.',
  'ecr:GetDownloadUrlForLayer': 'Pulls its image.',
  'ecr:GetAuthorizationToken': 'Logs in to ECR, which knows no resource for it.',
  'logs:CreateLogStream': 'Writes its own log.',
  'logs:PutLogEvents': 'Writes its own log.',
  'logs:CreateLogDelivery': 'Has its log delivered; these calls know no resource.',
  'logs:DeleteLogDelivery': 'Has its log delivered; these calls know no resource.',
  'logs:DescribeLogGroups': 'Has its log delivered; these calls know no resource.',
  'logs:DescribeResourcePolicies': 'Has its log delivered; these calls know no resource.',
  'logs:GetLogDelivery': 'Has its log delivered; these calls know no resource.',
  'logs:ListLogDeliveries': 'Has its log delivered; these calls know no resource.',
  'logs:PutResourcePolicy': 'Has its log delivered; these calls know no resource.',
  'logs:UpdateLogDelivery': 'Has its log delivered; these calls know no resource.',
  'xray:PutTelemetryRecords': 'Sends segments of its traces to X-Ray, which knows no resources for it.',
  'xray:PutTraceSegments': 'Sends segments of its traces to X-Ray, which knows no resources for it.',
  'xray:GetSamplingRules': 'Asks X-Ray which executions are to be traced; it knows no resources for it.',
  'xray:GetSamplingTargets': 'Asks X-Ray which executions are to be traced; it knows no resources for it.',
  // CDK's grant for a queue of failed calls
  'sqs:GetQueueAttributes': 'Keeps calls that failed.',
  'sqs:GetQueueUrl': 'Keeps calls that failed.',
  'sqs:SendMessage': 'Keeps calls that failed.',
};

interface Row {
  readonly effect: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly condition: Json | undefined;
  readonly why: string;
}

/** The page as it should be. Throws where a template has what nobody gave a reason for. */
export function permissionsPage(): string {
  const { storage, network, jobs, events, schedules, definitions, api, operation } = deployment('aws', EVERYTHING);
  const stacks = [storage, network, jobs, events, schedules, definitions, api, operation];
  const sections = stacks.filter((stack) => stack !== undefined).map((stack) => section(stack));
  return `${HEAD}${sections.join('')}`;
}

function section(stack: Stack): string {
  const template = Template.fromStack(stack);
  const statements = statementsOf(template);
  const roles = stack.node.findAll().filter((one): one is iam.Role => one instanceof iam.Role);
  const known = new Set(roles.map((role) => idOf(stack, role)));
  for (const id of Object.keys(resources(template, 'AWS::IAM::Role'))) {
    assert.ok(known.has(id) || id.startsWith('CustomVpcRestrict'), `${id} stands in no row`);
  }
  const tables = roles.map((role) => {
    const id = idOf(stack, role);
    const rows = rowsOf(
      stack,
      role,
      statements.filter((statement) => statement.role === id),
    );
    const { Description, RoleName } = resources(template, 'AWS::IAM::Role')[id]?.Properties ?? {};
    const title =
      Description === undefined
        ? `Starts the tasks of ${role.node.scopes
            .slice(2, -1)
            .map(({ node }) => node.id)
            .filter((one) => one !== 'Default')
            .join('/')}`
        : flat(Description);
    const name = RoleName === undefined ? '' : ` (role \`${plain(flat(RoleName))}\`)`;
    return `\n### ${title}${name}\n\n| may | on | why |\n|---|---|---|\n${rows.map(line).join('')}`;
  });
  return tables.length === 0 ? '' : `\n## ${stack.stackName}\n${tables.join('')}`;
}

function idOf(stack: Stack, role: iam.Role): string {
  return stack.getLogicalId(role.node.defaultChild as iam.CfnRole);
}

function rowsOf(stack: Stack, role: iam.Role, statements: readonly Statement[]): Row[] {
  const said = saidOf(role).map((one: Said): Row => {
    const { effect, why, actions } = one;
    const condition: Json | undefined =
      Object.keys(one.conditions ?? {}).length === 0 ? undefined : stack.resolve(one.conditions);
    return {
      effect,
      why,
      actions,
      resources: one.resources.map((resource) => flat(stack.resolve(resource))),
      condition,
    };
  });
  const inTemplate = new Set(statements.flatMap(triples));
  const inRows = new Set(said.flatMap(triples));
  for (const triple of inRows) {
    assert.ok(inTemplate.has(triple), `${role.node.path} was to have, and has not: ${triple}`);
  }
  const rest = statements.flatMap((statement) => {
    const byWhy = new Map<string, string[]>();
    for (const action of statement.actions) {
      if (triples({ ...statement, actions: [action] }).every((triple) => inRows.has(triple))) {
        continue;
      }
      const why = REST[action];
      assert.ok(why, `${role.node.path} has ${action}, and nobody says why`);
      byWhy.set(why, [...(byWhy.get(why) ?? []), action]);
    }
    const left = statement.resources.filter((resource) =>
      triples({ ...statement, resources: [resource] }).some((triple) => !inRows.has(triple)),
    );
    return [...byWhy].map(([why, actions]) => ({ ...statement, actions, resources: left, why }));
  });
  const rows = [...said, ...rest];
  assert.deepEqual([...new Set(rows.flatMap(triples))].sort(), [...inTemplate].sort(), role.node.path);
  return rows;
}

function triples({ effect, actions, resources, condition }: Omit<Row, 'why'>): string[] {
  const when = condition === undefined ? '' : ` if ${conditions(condition).join(', ')}`;
  return actions.flatMap((action) => resources.map((resource) => `${effect} ${action} on ${resource}${when}`));
}

function line({ effect, actions, resources, condition, why }: Row): string {
  const when = conditions(condition ?? {}).filter((one) => !one.includes('aws:ResourceAccount'));
  const may = `${effect === 'Deny' ? '**never** ' : ''}${codes(actions)}`;
  const on = `${codes(resources.map(plain))}${when.length === 0 ? '' : `, if ${codes(when.map(plain))}`}`;
  return `| ${may} | ${on} | ${why} |\n`;
}

function codes(all: readonly string[]): string {
  return all.map((one) => `\`${one}\``).join(', ');
}

/** `StringEquals events:source = lazaret` */
function conditions(condition: Json): string[] {
  return Object.entries(condition as Record<string, Record<string, Json>>)
    .flatMap(([operator, keys]) =>
      Object.entries(keys).map(
        ([key, value]) => `${operator} ${key} = ${(Array.isArray(value) ? value : [value]).map(flat).join(' or ')}`,
      ),
    )
    .sort();
}

/** Without what says nothing to a reader: the partition, an example's account, the hash in a logical id. */
function plain(text: string): string {
  return text
    .replaceAll(/arn:(<AWS::Partition>|aws):/g, '')
    .replaceAll(ACCOUNT, 'ACCOUNT')
    .replaceAll(REGION, 'REGION')
    .replaceAll(OWN_KEY, 'own')
    .replaceAll('<AWS::Region>', 'REGION')
    .replaceAll('<AWS::URLSuffix>', 'amazonaws.com')
    .replaceAll(/<(\w+?)[0-9A-F]{8}(\.\w+)?>/g, '<$1>');
}
