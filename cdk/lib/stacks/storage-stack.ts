import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { QuarantineBucket } from '../constructs/quarantine-bucket';
import { ResultsBucket } from '../constructs/results-bucket';
import { quarantineBucketName, resultsBucketName } from '../names';

export interface StorageStackProps extends StackProps {
  readonly settings: Settings;
}

/** What must outlive a deployment: results and quarantine. */
export class StorageStack extends Stack {
  readonly results: s3.IBucket;
  readonly quarantine: s3.IBucket;

  constructor(scope: Construct, id: string, props: StorageStackProps) {
    super(scope, id, props);
    const { settings } = props;
    // in the local cloud the buckets go with the stack
    const disposable = settings.local;
    const { agentRoles } = new Arns(this.account, this.region, settings);
    this.results = new ResultsBucket(this, 'Results', {
      bucketName: resultsBucketName(this.account, this.region),
      verdictWriters: agentRoles,
      disposable,
    }).bucket;
    this.quarantine = new QuarantineBucket(this, 'Quarantine', {
      bucketName: quarantineBucketName(this.account, this.region),
      lockDays: settings.quarantineLockDays,
      expiryDays: settings.quarantineExpiryDays,
      disposable,
    }).bucket;

    new CfnOutput(this, 'ResultsBucket', { value: this.results.bucketName });
    new CfnOutput(this, 'QuarantineBucket', { value: this.quarantine.bucketName });
  }
}
