import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';

export interface ResultsBucketProps {
  readonly bucketName: string;
  /** @default false - a job's proof outlives the stack */
  readonly disposable?: boolean;
}

/**
 * Reports under `jobs/` and definitions under `definitions/`, which stay, and temporary state under `work/`, which the
 * tear-down empties. Not versioned: parts are written twice by design and counters every few seconds; conditional writes keep
 * the parts right, and the definitions' versions, which are written once.
 */
export class ResultsBucket extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, props: ResultsBucketProps) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, 'Bucket', {
      bucketName: props.bucketName,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: props.disposable ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
      lifecycleRules: [
        // the net below the tear-down: longer than a job can live, so that it never takes a plan from under one
        { id: 'work-is-temporary', prefix: 'work/', expiration: Duration.days(14) },
        { id: 'abandoned-uploads', abortIncompleteMultipartUploadAfter: Duration.days(2) },
      ],
    });
    acknowledge(this.bucket, {
      'AwsSolutions-S1':
        'Only this deployment writes here; who read a report is told by CloudTrail data events, the owner’s choice.',
    });
  }
}
