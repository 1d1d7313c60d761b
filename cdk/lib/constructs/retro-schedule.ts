import { Aws, Stack } from 'aws-cdk-lib';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import { Construct } from 'constructs';
import { functionName, SCHEDULE_DEAD_LETTER_QUEUE, SCHEDULE_GROUP, schedulerRoleName } from '../names';

/** A bucket, or the part of it below a prefix. */
export interface ScheduledBucket {
  readonly name: string;
  /** @default '' - the whole bucket */
  readonly prefix?: string;
}

export interface RetroScheduleProps {
  /** Unique in the account and region: 1 to 32 letters, digits, `-` and `_`. Its marks are kept under this name, whoever makes it. */
  readonly scheduleName: string;
  /** Buckets that the deployment of Lazaret may scan: names, or names with a prefix. */
  readonly buckets: readonly (string | ScheduledBucket)[];
  /** `hourly`, `daily`, `weekly`, `monthly`, `quarterly`, `yearly`, or an expression of EventBridge Scheduler, `cron(…)` or `rate(…)`. */
  readonly every: string;
  /** Of the IANA data base. @default 'UTC' */
  readonly timezone?: string;
  /** Everything every time, or what has appeared since the last complete run. @default 'new' */
  readonly scope?: 'all' | 'new';
  /** A run that is due while the one before is under way does not take place, or follows it. @default 'refuse' */
  readonly overlap?: 'refuse' | 'queue';
  /** Where the first run of `new` begins, RFC 3339. @default - the day S3 opened: the first run scans everything */
  readonly from?: string;
  /** When each job aims to end. @default 60 */
  readonly targetMinutes?: number;
  /**
   * How old an object must be for a run of `new`: one that takes longer, from its LastModified until it can be seen, is missed.
   * @default 3600 - 5 GiB, the largest PUT, at 1.5 MB/s
   */
  readonly settleSeconds?: number;
  /** @default true */
  readonly enabled?: boolean;
  /** @default - none */
  readonly description?: string;
}

/** As in workers/schedules/src/every.rs; tests/fixtures/contracts/schedule-periods.json holds both to the same. */
export const PERIODS: Readonly<Record<string, string>> = {
  hourly: 'cron(0 * * * ? *)',
  daily: 'cron(0 4 * * ? *)',
  weekly: 'cron(0 4 ? * SUN *)',
  monthly: 'cron(0 4 1 * ? *)',
  quarterly: 'cron(0 4 1 1,4,7,10 ? *)',
  yearly: 'cron(0 4 1 1 ? *)',
};

/**
 * Scans buckets in time. Usable in any app whose stack is deployed to the account and region of a deployment of Lazaret: it needs nothing of
 * that deployment but its names.
 */
export class RetroSchedule extends Construct {
  readonly schedule: scheduler.CfnSchedule;

  constructor(scope: Construct, id: string, props: RetroScheduleProps) {
    super(scope, id);
    const { account, region } = Stack.of(this);
    check(props);
    const arn = (service: string, place: string, resource: string): string =>
      `arn:${Aws.PARTITION}:${service}:${place}:${account}:${resource}`;
    const from = props.from === undefined ? {} : { from: props.from };
    this.schedule = new scheduler.CfnSchedule(this, 'Schedule', {
      name: props.scheduleName,
      groupName: SCHEDULE_GROUP,
      scheduleExpression: PERIODS[props.every] ?? props.every,
      scheduleExpressionTimezone: props.timezone ?? 'UTC',
      state: (props.enabled ?? true) ? 'ENABLED' : 'DISABLED',
      ...(props.description === undefined ? {} : { description: props.description }),
      flexibleTimeWindow: { mode: 'OFF' },
      target: {
        arn: arn('lambda', region, `function:${functionName('start_scheduled')}`),
        roleArn: arn('iam', '', `role/${schedulerRoleName(region)}`),
        deadLetterConfig: { arn: arn('sqs', region, SCHEDULE_DEAD_LETTER_QUEUE) },
        input: JSON.stringify({
          schedule: props.scheduleName,
          definition: {
            buckets: props.buckets.map((bucket) =>
              typeof bucket === 'string'
                ? { name: bucket, prefix: '' }
                : { name: bucket.name, prefix: bucket.prefix ?? '' },
            ),
            scope: props.scope ?? 'new',
            overlap: props.overlap ?? 'refuse',
            ...from,
            targetMinutes: props.targetMinutes ?? 60,
            settleSeconds: props.settleSeconds ?? 3600,
          },
          // Scheduler fills it in: a call that comes twice is one run
          due: '<aws.scheduler.scheduled-time>',
        }),
      },
    });
  }
}

function check({ scheduleName, buckets, every }: RetroScheduleProps): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(scheduleName)) {
    throw new Error(`scheduleName is \`${scheduleName}\`; give 1 to 32 letters, digits, \`-\` and \`_\``);
  }
  if (buckets.length === 0) {
    throw new Error(`schedule \`${scheduleName}\`: name at least one bucket`);
  }
  if (PERIODS[every] === undefined && !/^(cron|rate)\(.+\)$/.test(every)) {
    throw new Error(
      `schedule \`${scheduleName}\`: every is \`${every}\`; give one of ${Object.keys(PERIODS).join(', ')}, cron(…) or rate(…)`,
    );
  }
}
