/**
 * What other teams' apps import: constructs that work with the deployment of Lazaret in their account and region, which they find by its fixed
 * names (docs/constructs.md). All else in this folder is that deployment's own.
 */
export { DenyUnlessClean, type DenyUnlessCleanProps, type ReadableVerdict } from './constructs/deny-unless-clean';
export { ProtectedBucket, type ProtectedBucketProps } from './constructs/protected-bucket';
export { RetroSchedule, type RetroScheduleProps, type ScheduledBucket } from './constructs/retro-schedule';
export { TwoBucketIngest, type TwoBucketIngestProps } from './constructs/two-bucket-ingest';
export { VerdictApi, type VerdictApiLimits, type VerdictApiProps } from './constructs/verdict-api';
