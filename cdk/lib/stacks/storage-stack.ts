import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { ApiAccessLogs } from '../constructs/api-access-logs';
import { ApiUsers } from '../constructs/api-users';
import { QuarantineBucket } from '../constructs/quarantine-bucket';
import { ResultsBucket } from '../constructs/results-bucket';
import { quarantineBucketName, resultsBucketName } from '../names';

export interface StorageStackProps extends StackProps {
  readonly settings: Settings;
}

/** What the verdict API leaves behind when it goes. */
export interface ApiState {
  readonly users: ApiUsers;
  readonly accessLogs: s3.IBucket;
}

/** What must outlive a deployment: results and quarantine, and the users and access logs of the API where there is one. */
export class StorageStack extends Stack {
  readonly results: s3.IBucket;
  readonly quarantine: s3.IBucket;
  /** Where the API is deployed. */
  readonly api: ApiState | undefined;

  constructor(scope: Construct, id: string, props: StorageStackProps) {
    super(scope, id, props);
    const { settings } = props;
    // in the local cloud the buckets go with the stack
    const disposable = settings.local;
    const { agentRoles } = new Arns(this.account, this.region, settings);
    this.results = new ResultsBucket(this, 'Results', {
      bucketName: resultsBucketName(this.account, this.region),
      keyArn: settings.ownKeyArn,
      verdictWriters: agentRoles,
      disposable,
    }).bucket;
    this.quarantine = new QuarantineBucket(this, 'Quarantine', {
      bucketName: quarantineBucketName(this.account, this.region),
      keyArn: settings.ownKeyArn,
      lockDays: settings.quarantineLockDays,
      expiryDays: settings.quarantineExpiryDays,
      disposable,
    }).bucket;

    this.api = settings.api.enabled
      ? {
          users: new ApiUsers(this, 'Users', { disposable }),
          accessLogs: new ApiAccessLogs(this, 'AccessLogs', { retentionDays: settings.logRetentionDays, disposable })
            .bucket,
        }
      : undefined;

    new CfnOutput(this, 'ResultsBucket', { value: this.results.bucketName });
    new CfnOutput(this, 'QuarantineBucket', { value: this.quarantine.bucketName });
  }
}
