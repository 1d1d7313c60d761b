import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge';

export interface ApiAccessLogsProps {
  readonly retentionDays: number;
  /** In the local cloud it goes with the stack. */
  readonly disposable: boolean;
}

/**
 * Who called the API, when, and what he was answered: the load balancer writes it, a file every five minutes. No name is fixed, so that a stack that
 * is deployed again does not meet the bucket that the last one left.
 */
export class ApiAccessLogs extends Construct {
  readonly bucket: s3.Bucket;

  constructor(scope: Construct, id: string, props: ApiAccessLogsProps) {
    super(scope, id);
    this.bucket = new s3.Bucket(this, 'Bucket', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      // load balancers can't write under keys of KMS
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: props.disposable ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN,
      lifecycleRules: [
        { id: 'logs-expire', expiration: Duration.days(props.retentionDays) },
        { id: 'abandoned-uploads', abortIncompleteMultipartUploadAfter: Duration.days(2) },
      ],
    });
    acknowledge(this.bucket, {
      'AwsSolutions-S1': 'It holds logs: those of reading them would need another such bucket.',
    });
  }
}
