import { Aws, Duration } from 'aws-cdk-lib';
import * as scaling from 'aws-cdk-lib/aws-applicationautoscaling';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { ApiSettings } from '../config-api';
import { API, CLUSTER } from '../names';
import type { ApiBalancer } from './api-balancer';

export interface ApiScalingProps {
  readonly api: ApiSettings;
  readonly service: ecs.FargateService;
  readonly balancer: ApiBalancer;
}

/** A new task answers after two minutes; until then its help is not to be asked for twice. */
const OUT_COOLDOWN = Duration.seconds(120);
/** Quiet has to last: a task that goes takes its caches along. */
const IN_COOLDOWN = Duration.minutes(10);

/**
 * Holds the service to a load: of its CPU, which is what large files take, and of requests, which small ones come in. Whichever asks for more tasks has
 * them; fewer there are only once both allow it.
 */
export class ApiScaling extends Construct {
  constructor(scope: Construct, id: string, props: ApiScalingProps) {
    super(scope, id);
    const { api, service, balancer } = props;
    const target = new scaling.ScalableTarget(this, 'Target', {
      serviceNamespace: scaling.ServiceNamespace.ECS,
      scalableDimension: 'ecs:service:DesiredCount',
      resourceId: `service/${CLUSTER}/${API}`,
      minCapacity: api.tasksMin,
      maxCapacity: api.tasksMax,
      // Application Auto Scaling makes it by itself
      role: iam.Role.fromRoleArn(
        this,
        'ServiceLinkedRole',
        `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService`,
        { mutable: false },
      ),
    });
    target.node.addDependency(service);
    const cooldowns = { scaleOutCooldown: OUT_COOLDOWN, scaleInCooldown: IN_COOLDOWN };
    target.scaleToTrackMetric('Cpu', {
      policyName: 'lazaret-api-cpu',
      predefinedMetric: scaling.PredefinedMetric.ECS_SERVICE_AVERAGE_CPU_UTILIZATION,
      targetValue: api.cpuPercent,
      ...cooldowns,
    });
    target.scaleToTrackMetric('Requests', {
      policyName: 'lazaret-api-requests',
      predefinedMetric: scaling.PredefinedMetric.ALB_REQUEST_COUNT_PER_TARGET,
      resourceLabel: `${balancer.balancer.loadBalancerFullName}/${balancer.targets.targetGroupFullName}`,
      targetValue: api.requestsPerTask,
      ...cooldowns,
    });
  }
}
