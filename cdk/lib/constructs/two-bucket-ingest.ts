import { Tags } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { ACCEPT_TAG, PROTECT_TAG } from '../names';
import { lazaretRoles } from './lazaret-roles';
import { bucketDefaults, checkBucketName } from './protected-bucket';

export interface TwoBucketIngestProps {
  /** Where others upload to. Must be within `stagingBuckets` (and so `scanBuckets`) of the deployment of Lazaret. No default: its settings name it. */
  readonly stagingBucketName: string;
  /** Where what is clean goes. Must be within `promoteBuckets` of the deployment of Lazaret. No default: its settings name it. */
  readonly productionBucketName: string;
  /** Before each key in production; letters, digits and `_ . / = + - @`. @default '' - keys are the same in both */
  readonly productionPrefix?: string;
  /** ARNs, or patterns with `*`, of principals who may read what is in staging, whatever it is. @default - Lazaret's own roles alone */
  readonly stagingReaders?: readonly string[];
  /** ARNs, or patterns with `*`, of principals who may write to production past the scan. @default - the promotion alone */
  readonly productionWriters?: readonly string[];
  /** Anything else of the staging bucket. It keeps versions: without them nothing is promoted. @default - as for `ProtectedBucket` */
  readonly stagingProps?: Omit<s3.BucketProps, 'bucketName' | 'versioned' | 'publicReadAccess'>;
  /** Anything else of the production bucket. @default - as for `ProtectedBucket` */
  readonly productionProps?: Omit<s3.BucketProps, 'bucketName' | 'publicReadAccess'>;
}

/** Of a tag's value. */
const TAG_CHARACTERS = 256;
const READ = ['s3:GetObject', 's3:GetObjectVersion'];
const WRITE = ['s3:PutObject', 's3:ReplicateObject'];
const TAG = ['s3:PutObjectTagging', 's3:PutObjectVersionTagging', 's3:ReplicateTags'];

/**
 * Two buckets: others upload to the one, and what is clean, and nothing else, comes to stand in the other. What is infected goes to quarantine; what
 * could not be read stays in staging. The one carries the tag `lazaret:protect`, the other `lazaret:accept-from`, which agrees to it.
 *
 * No policy of a bucket keeps those who administer it from changing the policy: leave its tags and its policy to this app.
 */
export class TwoBucketIngest extends Construct {
  readonly staging: s3.Bucket;
  readonly production: s3.Bucket;

  constructor(scope: Construct, id: string, props: TwoBucketIngestProps) {
    super(scope, id);
    const destination = check(props);
    const { agents, promote, api } = lazaretRoles(this);
    this.staging = new s3.Bucket(this, 'Staging', {
      ...bucketDefaults(props.stagingProps),
      bucketName: props.stagingBucketName,
      // only a version that nobody can overwrite is what was scanned when it is promoted
      versioned: true,
    });
    Tags.of(this.staging).add(PROTECT_TAG, `two-bucket=${destination}`);
    deny(this.staging, 'NobodyReadsWhatWaits', READ, [...agents, promote, api, ...(props.stagingReaders ?? [])]);

    this.production = new s3.Bucket(this, 'Production', {
      ...bucketDefaults(props.productionProps),
      bucketName: props.productionBucketName,
    });
    Tags.of(this.production).add(ACCEPT_TAG, props.stagingBucketName);
    const writers = [promote, ...(props.productionWriters ?? [])];
    deny(this.production, 'OnlyThePromotionWrites', WRITE, writers);
    // an agent tags what is here already, should it be scanned again
    deny(this.production, 'OnlyLazaretTags', TAG, [...agents, ...writers]);
  }
}

function deny(bucket: s3.Bucket, sid: string, actions: string[], all: readonly string[]): void {
  bucket.addToResourcePolicy(
    new iam.PolicyStatement({
      sid,
      effect: iam.Effect.DENY,
      principals: [new iam.AnyPrincipal()],
      actions,
      resources: [bucket.arnForObjects('*')],
      conditions: { ArnNotLike: { 'aws:PrincipalArn': [...all] } },
    }),
  );
}

/** The destination as the tag has it. */
function check(props: TwoBucketIngestProps): string {
  const { stagingBucketName, productionBucketName, productionPrefix = '' } = props;
  checkBucketName('stagingBucketName', stagingBucketName);
  checkBucketName('productionBucketName', productionBucketName);
  if (stagingBucketName === productionBucketName) {
    throw new Error(`stagingBucketName and productionBucketName are both \`${stagingBucketName}\`: name two buckets`);
  }
  if (props.stagingProps?.eventBridgeEnabled !== undefined) {
    throw new Error(
      'stagingProps.eventBridgeEnabled: CloudFormation would write the bucket’s notifications, and take Lazaret’s rules out',
    );
  }
  if (!/^[A-Za-z0-9_./=+@-]*$/.test(productionPrefix)) {
    throw new Error(
      `productionPrefix is \`${productionPrefix}\`; a tag holds letters, digits and \`_ . / = + - @\` alone`,
    );
  }
  const destination = productionPrefix === '' ? productionBucketName : `${productionBucketName}/${productionPrefix}`;
  if (`two-bucket=${destination}`.length > TAG_CHARACTERS) {
    throw new Error(
      `productionPrefix is too long: with the bucket's name a tag has ${TAG_CHARACTERS} characters at the most`,
    );
  }
  return destination;
}
