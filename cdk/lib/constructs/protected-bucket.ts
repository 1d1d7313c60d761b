import { Duration, RemovalPolicy, Tags } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { PROTECT_TAG } from '../names';
import { DenyUnlessClean, type DenyUnlessCleanProps } from './deny-unless-clean';

export interface ProtectedBucketProps {
  /**
   * Must be within `scanBuckets` of the deployment of Lazaret: a name that its patterns do not match stays unprotected, and `lazaret bucket
   * list` does not show it. So there is no default.
   */
  readonly bucketName: string;
  /** Whether what is not Clean is denied to readers, and the exceptions. @default false - infected objects are moved to quarantine, and what waits for its scan can be read */
  readonly denyUnlessClean?: boolean | Omit<DenyUnlessCleanProps, 'bucket'>;
  /**
   * Anything else of the bucket. A customer's key must be among `kmsKeyArns` of the deployment.
   * @default - blocked for the public, TLS only, encrypted by S3, versioned, kept when the stack goes
   */
  readonly bucketProps?: Omit<s3.BucketProps, 'bucketName' | 'publicReadAccess'>;
}

/** Uploads in parts that nobody ends: paid for, and seen by nobody. */
export const ABANDONED_UPLOADS: s3.LifecycleRule = {
  id: 'abandoned-uploads',
  abortIncompleteMultipartUploadAfter: Duration.days(2),
};

/** What a bucket of strangers' files should be, unless its owner says otherwise. */
export function bucketDefaults(props: Omit<s3.BucketProps, 'bucketName'> = {}): s3.BucketProps {
  return {
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    // a version that is scanned is the one that is tagged, moved or deleted, whatever is written meanwhile
    versioned: true,
    removalPolicy: RemovalPolicy.RETAIN,
    ...props,
    lifecycleRules: [ABANDONED_UPLOADS, ...(props.lifecycleRules ?? [])],
  };
}

/** S3's rule for the names of buckets, as far as the deployment's settings and tags need it. */
export function checkBucketName(property: string, name: string): void {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
    throw new Error(
      `${property} is \`${name}\`; give a bucket's name of 3 to 63 lower-case letters, digits, \`-\` and \`.\``,
    );
  }
  if (/^lazaret-(results|quarantine)-/.test(name)) {
    throw new Error(`${property} is \`${name}\`: that is Lazaret's own`);
  }
}

/**
 * A bucket whose new objects are scanned as they arrive, by the deployment of Lazaret in the same account and region. It carries the tag
 * `lazaret:protect`, which the function `lazaret-protect-tagged` looks for every five minutes; what was stored before that is scanned by a job.
 *
 * Let no construct of CDK write its notifications (`addEventNotification`, `enableEventBridgeNotification`): it would replace Lazaret's rules
 * at each deployment. Listen to Lazaret's own event, *Object Scan Result*.
 */
export class ProtectedBucket extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, props: ProtectedBucketProps) {
    super(scope, id);
    checkBucketName('bucketName', props.bucketName);
    if (props.bucketProps?.eventBridgeEnabled !== undefined) {
      throw new Error(
        'bucketProps.eventBridgeEnabled: CloudFormation would write the bucket’s notifications, and take Lazaret’s rules out',
      );
    }
    this.bucket = new s3.Bucket(this, 'Bucket', { ...bucketDefaults(props.bucketProps), bucketName: props.bucketName });
    Tags.of(this.bucket).add(PROTECT_TAG, 'standard');
    const deny = props.denyUnlessClean ?? false;
    if (deny !== false) {
      new DenyUnlessClean(this, 'DenyUnlessClean', { bucket: this.bucket, ...(deny === true ? {} : deny) });
    }
  }
}
