import * as fs from 'node:fs';
import * as path from 'node:path';
import { type Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import type { Settings } from '../config';
import { fipsEnvironment } from '../config-fips';
import { type FunctionHandler, functionName } from '../names';
import { useOwnKey } from '../object-permissions';
import { type Permission, permit } from '../permissions';
import { ownKey } from './own-key';

export interface RustFunctionProps {
  readonly handler: FunctionHandler;
  /** Where policies of buckets name it. @default - CloudFormation's choice */
  readonly roleName?: string;
  /** What it does, for the console. */
  readonly description: string;
  /** The folder of `bootstrap`, the same for all functions. */
  readonly code: lambda.Code;
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string>>;
  readonly permissions: readonly Permission[];
  readonly timeout: Duration;
  /** CPU comes with it: a whole one at 1,769. @default 512 */
  readonly memoryMiB?: number;
  /** As many run at once and no more; the account has as many fewer for all else. 0 reserves nothing. @default 0 */
  readonly reservedConcurrency?: number;
}

/** One of the functions that `bootstrap` holds; Lambda's handler chooses which. */
export class RustFunction extends Construct {
  readonly function: lambda.Function;
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: RustFunctionProps) {
    super(scope, id);
    const { settings } = props;
    const name = functionName(props.handler);
    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
      description: `What the function ${name} may do`,
      ...(props.roleName === undefined ? {} : { roleName: props.roleName }),
    });
    const logGroup = new logs.LogGroup(this, 'Log', {
      logGroupName: `/lazaret/functions/${name}`,
      retention: settings.logRetentionDays,
      ...ownKey(this, settings.ownKeyArn),
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // its own group only, in place of the managed policy for any log group of the account
    logGroup.grantWrite(role);
    permit(role, [...props.permissions, ...useOwnKey(settings, Stack.of(this).region, props.permissions)]);
    this.role = role;

    this.function = new lambda.Function(this, 'Function', {
      functionName: name,
      description: props.description,
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: settings.architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      handler: props.handler,
      code: props.code,
      role,
      logGroup,
      timeout: props.timeout,
      memorySize: props.memoryMiB ?? 512,
      ...(settings.traces ? { tracing: lambda.Tracing.ACTIVE } : {}),
      // for Lambda, 0 would be a function that never runs
      ...(props.reservedConcurrency ? { reservedConcurrentExecutions: props.reservedConcurrency } : {}),
      environment: {
        RUST_LOG: settings.rustLog,
        ...fipsEnvironment(settings),
        ...props.environment,
        ...(settings.endpointUrl === undefined ? {} : { AWS_ENDPOINT_URL: settings.endpointUrl }),
      },
    });
    if (settings.traces) {
      acknowledge(role, { 'AwsSolutions-IAM5[Resource::*]': 'X-Ray knows no resource (CDK adds the statement).' });
    }
    acknowledge(this.function, {
      'AwsSolutions-L1': 'provided.al2023 is the newest runtime for a program of one’s own.',
    });
  }
}

/** The folder of `bootstrap`, as an asset. */
export function functionsCode(directory: string): lambda.Code {
  const bootstrap = path.join(directory, 'bootstrap');
  if (!fs.existsSync(bootstrap)) {
    throw new Error(
      `${bootstrap} is not there: build the functions first (cdk/README.md), or set LAZARET_FUNCTIONS_DIR`,
    );
  }
  return lambda.Code.fromAsset(directory);
}
