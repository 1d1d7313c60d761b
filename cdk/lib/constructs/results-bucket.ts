import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';
import { ownKey } from './own-key';

export interface ResultsBucketProps {
  readonly bucketName: string;
  /** @default - S3's own keys */
  readonly keyArn: string | undefined;
  /** ARNs of the roles that may write below `verdicts/`: those of the agents. */
  readonly verdictWriters: readonly string[];
  /** @default false - a job's proof outlives the stack */
  readonly disposable?: boolean;
}

/**
 * Reports under `jobs/` and definitions under `definitions/`, which stay, and temporary state under `work/`, which the
 * tear-down empties. Not versioned: parts are written twice by design and counters every few seconds; conditional writes keep
 * the parts right, and the definitions' versions, which are written once. Under `verdicts/`, for a week, what agents found in staging
 * buckets: an object is promoted for no other reason, so nobody else may write there. Under `api/jobs/`, for a week, answers of the API. `settings/policies.json` is what all protection hangs on.
 */
export class ResultsBucket extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, props: ResultsBucketProps) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, 'Bucket', {
      bucketName: props.bucketName,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      // a bucket's own data key spares a call of KMS for each object
      ...(props.keyArn === undefined
        ? { encryption: s3.BucketEncryption.S3_MANAGED }
        : { encryption: s3.BucketEncryption.KMS, bucketKeyEnabled: true, ...ownKey(this, props.keyArn) }),
      enforceSSL: true,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: props.disposable ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
      lifecycleRules: [
        // the net below the tear-down: longer than a job can live, so that it never takes a plan from under one
        { id: 'work-is-temporary', prefix: 'work/', expiration: Duration.days(14) },
        // longer than a promotion is tried; whoever starts one later has the object scanned again
        { id: 'verdicts-are-for-promotion', prefix: 'verdicts/', expiration: Duration.days(7) },
        // answers of the API that were to be fetched later
        { id: 'answers-are-fetched-soon', prefix: 'api/jobs/', expiration: Duration.days(7) },
        { id: 'abandoned-uploads', abortIncompleteMultipartUploadAfter: Duration.days(2) },
      ],
    });
    this.bucket.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'OnlyAgentsWriteVerdicts',
        effect: iam.Effect.DENY,
        principals: [new iam.AnyPrincipal()],
        // replication writes objects by a permission of its own
        actions: ['s3:PutObject', 's3:ReplicateObject'],
        resources: [this.bucket.arnForObjects('verdicts/*')],
        // of a session, this is its role's ARN. The roles need not be there yet: conditions are text
        conditions: { ArnNotEquals: { 'aws:PrincipalArn': [...props.verdictWriters] } },
      }),
    );
    // its lifecycle is bound by no policy. Who really means it takes the policy away first
    this.bucket.addToResourcePolicy(
      new iam.PolicyStatement({
        sid: 'NobodyDeletesVerdictsOrPolicies',
        effect: iam.Effect.DENY,
        principals: [new iam.AnyPrincipal()],
        actions: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
        resources: ['verdicts/*', 'settings/policies.json'].map((key) => this.bucket.arnForObjects(key)),
      }),
    );
    acknowledge(this.bucket, {
      'AwsSolutions-S1':
        'Only this deployment writes here; who read a report is told by CloudTrail data events, the owner’s choice.',
    });
  }
}
