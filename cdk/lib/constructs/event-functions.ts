import { Duration } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import { Construct } from 'constructs';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { PROMOTE, taskRoleName } from '../names';
import { takeObjects, useKeys } from '../object-permissions';
import { forbid, type Permission } from '../permissions';
import { PROMOTION_TIMES } from './promotion';
import { functionsCode, RustFunction } from './rust-function';

export interface EventFunctionsProps {
  readonly settings: Settings;
  readonly arns: Arns;
}

/** Between two looks at the buckets' tags, and at what waits in staging; none takes longer. */
const LOOK = Duration.minutes(5);

/** The functions around events: promotion, protection by tag, and a watch over staging. */
export class EventFunctions extends Construct {
  readonly promote: RustFunction;
  readonly protectTagged: RustFunction;
  readonly watchStaging: RustFunction;

  constructor(scope: Construct, id: string, props: EventFunctionsProps) {
    super(scope, id);
    const { settings, arns } = props;
    const common = { settings, code: functionsCode(settings.functionsDir) };
    // a quota too small for the promotion's reservation is too small for any
    const oneAtATime = settings.promoteConcurrency === 0 ? 0 : 1;
    const results = { LAZARET_RESULTS_BUCKET: arns.resultsBucketName };

    this.promote = new RustFunction(this, 'promote', {
      ...common,
      handler: 'promote',
      roleName: taskRoleName(PROMOTE, arns.region),
      description: 'Takes one version of an object out of a staging bucket, as its verdict says',
      environment: { ...results, LAZARET_QUARANTINE_BUCKET: arns.quarantineBucketName },
      permissions: promotePermissions(settings, arns),
      timeout: Duration.seconds(PROMOTION_TIMES[settings.promoteType].functionSeconds),
      reservedConcurrency: settings.promoteConcurrency,
    });
    forbid(
      this.promote.role,
      '`promoteBuckets` may be a pattern that our own buckets match.',
      ['s3:PutObject'],
      [arns.results('*')],
    );
    forbid(
      this.promote.role,
      '`stagingBuckets` may be a pattern that our own buckets match.',
      ['s3:DeleteObject', 's3:DeleteObjectVersion'],
      [arns.results('*'), arns.quarantineObjects],
    );
    // PutObjectTagging stays: a copy's tags need it
    if (arns.productionObjects.length > 0) {
      forbid(
        this.promote.role,
        'A production bucket is not staging because a pattern of `stagingBuckets` matches it.',
        [
          's3:DeleteObject',
          's3:DeleteObjectVersion',
          's3:PutObjectVersionTagging',
          's3:DeleteObjectTagging',
          's3:DeleteObjectVersionTagging',
        ],
        arns.productionObjects,
      );
    }

    this.protectTagged = new RustFunction(this, 'protect_tagged', {
      ...common,
      handler: 'protect_tagged',
      description: 'Protects the buckets whose tag asks for it',
      environment: {
        ...results,
        LAZARET_EVENTS_TOPIC_ARN: arns.eventsTopic,
        LAZARET_STATE_MACHINE_ARN: arns.stateMachine,
        LAZARET_ACTIVATION_SETTLE_SECONDS: String(settings.activationSettleSeconds),
      },
      permissions: protectPermissions(arns),
      timeout: LOOK,
      reservedConcurrency: oneAtATime,
    });

    this.watchStaging = new RustFunction(this, 'watch_staging', {
      ...common,
      handler: 'watch_staging',
      description: 'Tells how long objects have been waiting in staging buckets',
      environment: { ...results, LAZARET_STAGING_LIMIT_SECONDS: String(settings.stagingLimitSeconds) },
      permissions: watchPermissions(arns),
      timeout: LOOK,
      // a million keys are listed, and a thousand tags read
      memoryMiB: 1024,
      reservedConcurrency: oneAtATime,
    });

    this.callInTime();
  }

  private callInTime(): void {
    // a run that failed is made up for by the next: neither Lambda, which tries twice more on its own, nor EventBridge repeats it, and what
    // could not begin before the next is dropped
    for (const { function: handler } of [this.protectTagged, this.watchStaging]) {
      handler.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: LOOK });
    }
    const target = ({ function: handler }: RustFunction): targets.LambdaFunction =>
      new targets.LambdaFunction(handler, { retryAttempts: 0 });
    new events.Rule(this, 'Look', {
      ruleName: 'lazaret-look',
      description: 'Looks at the tags of buckets, and at what waits in staging',
      schedule: events.Schedule.rate(LOOK),
      targets: [target(this.protectTagged), target(this.watchStaging)],
    });
    new events.Rule(this, 'Tagged', {
      ruleName: 'lazaret-bucket-tagged',
      description: 'Protects a tagged bucket at once, where CloudTrail records management events',
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['AWS API Call via CloudTrail'],
        detail: {
          eventSource: ['s3.amazonaws.com'],
          eventName: ['CreateBucket', 'PutBucketTagging', 'DeleteBucketTagging'],
        },
      },
      targets: [target(this.protectTagged)],
    });
  }
}

function promotePermissions(settings: Settings, arns: Arns): Permission[] {
  return [
    {
      why: 'Without it S3 answers 403 for what is not there.',
      actions: ['s3:ListBucket'],
      resources: [...arns.stagingBuckets, ...arns.promoteBuckets, arns.resultsBucket, arns.quarantineBucket],
    },
    {
      why: 'Without it S3 answers 403 for a version that is gone, which would fail the promotion in place of settling it.',
      actions: ['s3:ListBucketVersions'],
      resources: arns.stagingBuckets,
    },
    {
      why: 'Reads the verdicts, and the policies: where a bucket promotes to is not the input’s to say.',
      actions: ['s3:GetObject'],
      resources: [arns.results('verdicts/*'), arns.results('settings/*')],
    },
    ...takeObjects(arns, arns.stagingObjects),
    ...(arns.promoteObjects.length === 0
      ? []
      : [
          {
            why: 'Writes any object of the buckets that the owner named as production, and looks what is there.',
            actions: [
              's3:PutObject',
              's3:PutObjectTagging',
              's3:GetObject',
              's3:GetObjectVersion',
              's3:GetObjectTagging',
              's3:AbortMultipartUpload',
            ],
            resources: arns.promoteObjects,
          },
        ]),
    ...useKeys(settings, 'Copies from and to buckets under the keys that the owner named.', [
      'kms:Decrypt',
      'kms:GenerateDataKey',
    ]),
  ];
}

function protectPermissions(arns: Arns): Permission[] {
  return [
    {
      why: 'ListAllMyBuckets knows no resource; it tells names.',
      actions: ['s3:ListAllMyBuckets'],
      resources: ['*'],
    },
    ...(arns.promoteBuckets.length === 0
      ? []
      : [
          {
            why: 'Reads by its tag whom a production bucket accepts.',
            actions: ['s3:GetBucketTagging'],
            resources: arns.promoteBuckets,
          },
        ]),
    {
      why: 'Reads the tags of the buckets that the owner named, and switches their events on and off.',
      actions: [
        's3:ListBucket',
        's3:GetBucketLocation',
        's3:GetBucketTagging',
        's3:GetBucketVersioning',
        's3:GetBucketNotification',
        's3:PutBucketNotification',
      ],
      resources: arns.scanBuckets,
    },
    {
      why: 'Without it S3 answers 403 for policies that are not there yet.',
      actions: ['s3:ListBucket'],
      resources: [arns.resultsBucket],
    },
    {
      why: 'Enters a protection into the policies.',
      actions: ['s3:GetObject', 's3:PutObject'],
      resources: [arns.results('settings/policies.json')],
    },
    {
      why: 'Has what is in a bucket already scanned.',
      actions: ['states:StartExecution'],
      resources: [arns.stateMachine],
    },
  ];
}

function watchPermissions(arns: Arns): Permission[] {
  return [
    {
      why: 'Lists what waits in the buckets that may be staging buckets, and whether they keep versions.',
      actions: ['s3:ListBucket', 's3:GetBucketVersioning'],
      resources: [...arns.stagingBuckets, arns.resultsBucket],
    },
    {
      why: 'Reads the verdict tags of any object there: what was held waits for a person.',
      actions: ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'],
      resources: arns.stagingObjects,
    },
    {
      why: 'Reads which buckets are staging buckets.',
      actions: ['s3:GetObject'],
      resources: [arns.results('settings/policies.json')],
    },
  ];
}
