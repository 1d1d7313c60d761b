import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import { Construct } from 'constructs';
import type { Arns } from '../arns';
import type { Settings } from '../config';
import { Alarms } from './alarms';
import { functionsCode, RustFunction } from './rust-function';

export interface DefinitionsWatchProps {
  readonly settings: Settings;
  readonly arns: Arns;
}

/** Between two looks. A set is a few hours old at best. */
const LOOK = Duration.hours(1);
/** Without a number. */
const SILENT_LOOKS = 3;

/** Tells how old the definitions in force are, whether or not an agent runs, and raises an alarm in time: before agents give up on them. */
export class DefinitionsWatch extends Construct {
  constructor(scope: Construct, id: string, props: DefinitionsWatchProps) {
    super(scope, id);
    const { settings, arns } = props;
    const { function: watch } = new RustFunction(this, 'watch_definitions', {
      handler: 'watch_definitions',
      description: 'Tells how old the definitions in force are',
      code: functionsCode(settings.functionsDir),
      settings,
      environment: { LAZARET_RESULTS_BUCKET: arns.resultsBucketName },
      permissions: [
        {
          why: 'Without it S3 answers 403 where nothing was ever published.',
          actions: ['s3:ListBucket'],
          resources: [arns.resultsBucket],
        },
        {
          why: 'Reads which version is in force, and when it was built.',
          actions: ['s3:GetObject'],
          resources: [arns.results('definitions/current.json'), arns.results('definitions/versions/*/manifest.json')],
        },
      ],
      timeout: Duration.minutes(2),
    });
    // a look that failed is made up for by the next
    watch.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: LOOK });
    new events.Rule(this, 'Look', {
      ruleName: 'lazaret-look-at-definitions',
      description: 'Looks how old the definitions are',
      schedule: events.Schedule.rate(LOOK),
      targets: [new targets.LambdaFunction(watch, { retryAttempts: 0 })],
    });

    const age = (statistic: string): cloudwatch.Metric =>
      // written by watch_definitions in CloudWatch's embedded format
      new cloudwatch.Metric({
        namespace: 'Lazaret',
        metricName: 'DefinitionsInForceAgeSeconds',
        statistic,
        period: LOOK,
      });
    const alarms = new Alarms(this);
    alarms.add('Old', 'lazaret-definitions-old', {
      says: 'The definitions in force are old: soon nothing is called Clean any more. See docs/runbook.md#definitions-are-old-or-nobody-knows',
      metric: age('Maximum'),
      atLeast: settings.definitionsAlarmSeconds,
      // whoever is silent takes nothing back: the next alarm tells of the silence
      missing: cloudwatch.TreatMissingData.IGNORE,
    });
    alarms.add('Unwatched', 'lazaret-definitions-unwatched', {
      says: 'Nobody tells how old the definitions are, or there are none. See docs/runbook.md#definitions-are-old-or-nobody-knows',
      metric: age('SampleCount'),
      atMost: 0,
      periods: SILENT_LOOKS,
      missing: cloudwatch.TreatMissingData.BREACHING,
    });
    alarms.tell(settings.alarmTopicArn);
  }
}
