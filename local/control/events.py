"""The service that scans objects as they arrive: up with the programs that are built now."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

from control.deploy import client
from control.place import Place
from control.programs import AGENT, ENGINE

# The names stand in cdk/lib/names.ts.
SERVICE = "lazaret-events"
CLUSTER = "lazaret"
# Most are there after a second. One that fails is started again with pauses.
START_SECONDS = 30.0
# One that runs so long has read its settings, and opened what it works with.
STEADY_SECONDS = 1.5


def ensure_agents(place: Place, cloud_started: bool) -> str | None:
    """Waits for the service's agents; None without such a service, else how it went."""
    ecs, programs = client(place, "ecs"), place.state / "serving"
    if _desired(ecs) is None:
        return None
    wanted = _fingerprint(place)
    if not cloud_started and programs.exists() and programs.read_text() != wanted:
        # What runs was started from the programs before: its file is another by now.
        ecs.update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)
    programs.write_text(wanted)
    deadline = time.monotonic() + START_SECONDS
    steady: set[str] = set()
    while time.monotonic() < deadline:
        before, steady = steady, _running(ecs)
        count = _desired(ecs) or 0
        if len(steady) == count and steady <= before:
            return f"{count} {'agent runs' if count == 1 else 'agents run'}"
        time.sleep(STEADY_SECONDS)
    return f"no agent stays up; see {place.state / 'runner' / 'logs'}"


def _desired(ecs: Any) -> int | None:
    try:
        services = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ClusterNotFoundException":
            raise
        return None
    return next((service["desiredCount"] for service in services if service["status"] == "ACTIVE"), None)


def _running(ecs: Any) -> set[str]:
    """ARNs of the tasks of the newest deployment that run."""
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    tasks = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
    return {task["taskArn"] for task in tasks if task["lastStatus"] == "RUNNING"}


def _fingerprint(place: Place) -> str:
    files = [(place.target / name).stat() for name in (AGENT, ENGINE)]
    return " ".join(f"{file.st_mtime_ns} {file.st_size}" for file in files)
