"""A load balancer passes bodies on as they come, sends requests to targets that are healthy, and lets a service's tasks go in peace.

Stock: is a path on MiniStack's own port. A body is read whole into memory first, so that an early answer (401, 413, 429) of a target is lost
(502); `/health` and OPTIONS may be MiniStack's; a target that says nothing for 60 seconds is given up, whatever the idle time-out;
each registered target is healthy. A task of a service is told to end while it has requests in hand and gets more, and a
deployment ends the old tasks a second after the new ones began, healthy or not.
AWS: streams; targets are checked; a task is deregistered, left with what it has in hand for the deregistration delay, and only then
told to end; old tasks go when the new ones are healthy.
Here: files of hundreds of megabytes, and servers that are replaced under load. `cloud/balancer` listens for each load balancer, on an
address of its own, which DescribeLoadBalancers tells as its name; listeners below 1024 are 8,000 higher.
"""

from __future__ import annotations

import os
import time

from ministack.services import alb, ecs

from cloud.patches import stop_task

_LOOK_SECONDS = 0.05
_DESCRIPTIONS = {
    "initial": "<Reason>Elb.InitialHealthChecking</Reason>",
    "unhealthy": "<Reason>Target.FailedHealthChecks</Reason>",
    "draining": "<Reason>Target.DeregistrationInProgress</Reason>",
}


def apply() -> None:
    # Not before: it wants to know MiniStack's port.
    from cloud.balancer.balancers import Balancers

    balancers = Balancers(int(os.environ["GATEWAY_PORT"]))
    balancers.start()
    _tell_addresses(balancers)
    _tell_health(balancers)
    _drain_before_the_end(balancers)
    _deploy_when_healthy(balancers)


def _tell_addresses(balancers) -> None:
    stock = alb._lb_xml

    def lb_xml(balancer: dict) -> str:
        address = balancers.address_of(balancer)
        return stock(balancer if address is None else {**balancer, "DNSName": address})

    alb._lb_xml = lb_xml


def _tell_health(balancers) -> None:
    stock = alb._describe_target_health

    def describe_target_health(params: dict) -> tuple:
        arn = alb._p(params, "TargetGroupArn")
        states = balancers.states(arn)
        asked = {(one["Id"], one.get("Port")) for one in alb._parse_targets_param(params)}
        if arn not in alb._tgs or states is None:
            return stock(params)
        members = "".join(
            f"<member><Target><Id>{address}</Id><Port>{port}</Port></Target><HealthCheckPort>{port}</HealthCheckPort>"
            f"<TargetHealth><State>{state}</State>{_DESCRIPTIONS.get(state, '')}</TargetHealth></member>"
            for (address, port), state in states.items()
            if not asked or {(address, port), (address, None)} & asked
        )
        inner = f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"
        return alb._xml(200, "DescribeTargetHealth", inner)

    alb._describe_target_health = describe_target_health
    alb._ACTION_MAP["DescribeTargetHealth"] = describe_target_health


def _drain_before_the_end(balancers) -> None:
    stock = stop_task._stop_containers

    def stop_containers(task: dict) -> None:
        cluster, service = _service(task)
        if service is not None:
            # It counts as stopping by now, and so is no target any more.
            ecs._sync_service_targets(cluster, service)
            for group, place in _places(task, service):
                balancers.drain(group, place)
        stock(task)

    stop_task._stop_containers = stop_containers


def _deploy_when_healthy(balancers) -> None:
    stock = ecs._record_service_task_healthy

    def record_service_task_healthy(service_key: str, task: dict) -> None:
        # In a thread of the task's own.
        _, service = _service(task)
        while service is not None and task.get("lastStatus") == "RUNNING" and ecs._task_is_active(task["taskArn"], task):
            known = [(balancers.states(group), place) for group, place in _places(task, service)]
            if all(states is None or states.get(place) == "healthy" for states, place in known):
                break
            time.sleep(_LOOK_SECONDS)
        stock(service_key, task)

    ecs._record_service_task_healthy = record_service_task_healthy


def _service(task: dict) -> tuple[str, dict | None]:
    cluster, group = ecs._cluster_name_from_arn(task.get("clusterArn", "")), task.get("group") or ""
    service = ecs._services.get(f"{cluster}/{group.removeprefix('service:')}") if group.startswith("service:") else None
    return cluster, service


def _places(task: dict, service: dict) -> list[tuple[str, tuple[str, int]]]:
    """Its target groups, and where it stands in each."""
    address = ecs._task_ip(task)
    named = [one for one in service.get("loadBalancers") or [] if one.get("targetGroupArn")]
    groups = [(one["targetGroupArn"], int(one.get("containerPort") or 80)) for one in named]
    return [(group, (address, port)) for group, port in groups if address is not None]
