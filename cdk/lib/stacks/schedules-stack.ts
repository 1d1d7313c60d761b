import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Arns } from '../arns';
import type { Settings } from '../config';
import { RetroSchedule } from '../constructs/retro-schedule';
import { ScheduleStart } from '../constructs/schedule-start';

export interface SchedulesStackProps extends StackProps {
  readonly settings: Settings;
}

/**
 * Jobs in time. Destroyed, the schedules that people made go with their group; how far they had come stays in the results bucket, and one that
 * is made again under its name goes on from there.
 */
export class SchedulesStack extends Stack {
  constructor(scope: Construct, id: string, props: SchedulesStackProps) {
    super(scope, id, props);
    const { settings } = props;
    const arns = new Arns(this.account, this.region, settings);
    const start = new ScheduleStart(this, 'Start', { settings, arns, region: this.region });
    for (const props of settings.schedules) {
      const { schedule } = new RetroSchedule(this, `Schedule-${props.scheduleName}`, props);
      // they name each other and do not refer to each other
      schedule.node.addDependency(start);
    }
    new CfnOutput(this, 'ScheduleGroup', { value: start.group.ref });
  }
}
