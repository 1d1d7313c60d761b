import type { Settings } from './config';

/**
 * Where S3, SQS, Step Functions, SNS, EventBridge, ECS, Lambda, Cognito and X-Ray all have FIPS endpoints: botocore 1.43.11, data/endpoints.json, November 2026.
 * Canada has none of EventBridge; GovCloud East has none of Cognito, and nobody has tried the app in that partition.
 */
export const FIPS_REGIONS: readonly string[] = ['us-east-1', 'us-east-2', 'us-west-1', 'us-west-2'];

/** Throws where a program would ask for an endpoint that is not there. */
export function checkFips(settings: Settings, region: string): void {
  if (settings.fips && !FIPS_REGIONS.includes(region)) {
    throw new Error(
      `fips: in ${region} not all services that Lazaret uses have FIPS endpoints; they have in ${FIPS_REGIONS.join(', ')}`,
    );
  }
}

/** Of every program and function, and of the collector of traces: the SDK takes it from its environment. */
export function fipsEnvironment(settings: Settings): Record<string, string> {
  return settings.fips ? { AWS_USE_FIPS_ENDPOINT: 'true' } : {};
}
