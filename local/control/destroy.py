"""`local/destroy`: destroys the stacks as their owner would, and says what is left of them: nothing, if all is well."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from control import machine, processes
from control.deploy import DeployFailed, client, destroy
from control.place import Place, forget_account
from control.programs import TASKS

OURS = "lazaret"
# What stops on its own: tasks of a service that is gone, and the log of a function that just ended.
SETTLE_SECONDS = 60.0
LOOK_SECONDS = 0.5


def main() -> int:
    forget_account()
    place = Place.from_environment(os.environ)
    if not processes.running(place) or not machine.cloud_answers(place):
        print("local/destroy: no local cloud runs here; start it with local/up", file=sys.stderr)
        return 2
    with (place.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        begin = time.monotonic()
        were = len(list(leftovers(place)))
        try:
            destroy(place)
        except DeployFailed as error:
            print(f"local/destroy: {error}", file=sys.stderr)
            return 2
        left = _settled(lambda: list(leftovers(place)))
    print(f"stacks: destroyed in {time.monotonic() - begin:.1f} s; of {were} things are left: {', '.join(left) or 'none'}")
    return 1 if left else 0


def leftovers(place: Place) -> Iterator[str]:
    """All that has our name, or is of a kind that only our stacks make here: `kind name`."""
    for kind, names in _listed(place):
        yield from (f"{kind} {name}" for name in names if OURS in name.lower())


def _listed(place: Place) -> Iterator[tuple[str, Iterable[str]]]:
    def of(service: str, operation: str, member: str, **arguments: Any) -> list[Any]:
        pages = client(place, service)
        if pages.can_paginate(operation):
            return [one for page in pages.get_paginator(operation).paginate(**arguments) for one in page.get(member, [])]
        return getattr(pages, operation)(**arguments).get(member, [])

    stacks = of("cloudformation", "describe_stacks", "Stacks")
    yield "stack", [one["StackName"] for one in stacks if one["StackStatus"] != "DELETE_COMPLETE"]
    yield "bucket", [one["Name"] for one in of("s3", "list_buckets", "Buckets")]
    yield "queue", [url.rsplit("/", 1)[1] for url in of("sqs", "list_queues", "QueueUrls")]
    yield "topic", [one["TopicArn"].rsplit(":", 1)[1] for one in of("sns", "list_topics", "Topics")]
    yield "function", [one["FunctionName"] for one in of("lambda", "list_functions", "Functions")]
    yield "machine", [one["name"] for one in of("stepfunctions", "list_state_machines", "stateMachines")]
    yield "log group", [one["logGroupName"] for one in of("logs", "describe_log_groups", "logGroups")]
    yield "alarm", [one["AlarmName"] for one in of("cloudwatch", "describe_alarms", "MetricAlarms")]
    yield "dashboard", [one["DashboardName"] for one in of("cloudwatch", "list_dashboards", "DashboardEntries")]
    yield "rule", [one["Name"] for one in of("events", "list_rules", "Rules")]
    yield "schedule", [one["Name"] for one in of("scheduler", "list_schedules", "Schedules")]
    yield "group of schedules", [one["Name"] for one in of("scheduler", "list_schedule_groups", "ScheduleGroups")]
    yield "role", [one["RoleName"] for one in of("iam", "list_roles", "Roles")]
    yield "user pool", [one["Name"] for one in of("cognito-idp", "list_user_pools", "UserPools", MaxResults=60)]
    yield "load balancer", [one["LoadBalancerName"] for one in of("elbv2", "describe_load_balancers", "LoadBalancers")]
    yield "target group", [one["TargetGroupName"] for one in of("elbv2", "describe_target_groups", "TargetGroups")]
    groups = of("ec2", "describe_security_groups", "SecurityGroups")
    yield "security group", [f"{one['GroupName']} {one.get('Description', '')}" for one in groups]
    vpcs = of("ec2", "describe_vpcs", "Vpcs")
    yield "vpc", [tag["Value"] for one in vpcs for tag in one.get("Tags", [])]
    clusters = of("ecs", "list_clusters", "clusterArns")
    yield "cluster", [arn.rsplit("/", 1)[1] for arn in clusters]
    yield "task", [arn for cluster in clusters for arn in of("ecs", "list_tasks", "taskArns", cluster=cluster)]
    families = of("ecs", "list_task_definition_families", "families", status="ACTIVE")
    yield "task definition", families
    yield "process", _programs(place)


def _programs(place: Place) -> Iterator[str]:
    """That the runner started for tasks and that still run: they have this cloud's endpoint in their environment."""
    endpoint = f"AWS_ENDPOINT_URL={place.endpoint}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = (process / "exe").readlink().name.split()[0]  # built anew, it is "… (deleted)"
            if program in TASKS and endpoint in (process / "environ").read_bytes().split(b"\0"):
                yield f"{program} {process.name}"
        except OSError:
            continue  # it has just ended, or is the kernel's


def _settled(look: Callable[[], list[str]]) -> list[str]:
    deadline = time.monotonic() + SETTLE_SECONDS
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return left


if __name__ == "__main__":
    raise SystemExit(main())
