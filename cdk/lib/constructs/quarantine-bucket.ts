import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { ownKey } from './own-key';

export interface QuarantineBucketProps {
  readonly bucketName: string;
  /** @default - S3's own keys */
  readonly keyArn: string | undefined;
  /** Nobody deletes a version for so many days, short of a role that may bypass governance. 0: no Object Lock. */
  readonly lockDays: number;
  /** A version is deleted after so many days. 0: never. */
  readonly expiryDays: number;
  /** @default false - infected objects are evidence, and some will be wanted back */
  readonly disposable?: boolean;
}

/** Where infected versions stand. Versioned, since a finding that was allowed may be moved back: no mistake here is final for a month. */
export class QuarantineBucket extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, props: QuarantineBucketProps) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, 'Bucket', {
      bucketName: props.bucketName,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      // a bucket's own data key spares a call of KMS for each object
      ...(props.keyArn === undefined
        ? { encryption: s3.BucketEncryption.S3_MANAGED }
        : { encryption: s3.BucketEncryption.KMS, bucketKeyEnabled: true, ...ownKey(this, props.keyArn) }),
      enforceSSL: true,
      versioned: true,
      ...(props.lockDays === 0
        ? {}
        : {
            objectLockEnabled: true,
            objectLockDefaultRetention: s3.ObjectLockRetention.governance(Duration.days(props.lockDays)),
          }),
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: props.disposable ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
      lifecycleRules: [
        {
          id: 'deleted-and-replaced-versions',
          noncurrentVersionExpiration: Duration.days(30),
          abortIncompleteMultipartUploadAfter: Duration.days(2),
        },
        ...(props.expiryDays === 0 ? [] : [{ id: 'quarantine-ends', expiration: Duration.days(props.expiryDays) }]),
      ],
    });
    acknowledge(this.bucket, {
      'AwsSolutions-S1':
        'Only agents write here, each move has its row in a report; reads are for CloudTrail data events, the owner’s choice.',
    });
  }
}
