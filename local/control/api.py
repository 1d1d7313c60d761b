"""The verdict API: up with the programs that are built now, and ready behind its load balancer."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import Any

from botocore.exceptions import ClientError
from cloud.balancer.place import local_port

from control.deploy import client
from control.place import Place
from control.programs import API, ENGINE

# The names stand in cdk/lib/names.ts.
SERVICE = "lazaret-api"
CLUSTER = "lazaret"
USER_POOL = "lazaret"
# A server that can't start is tried again with pauses; one that starts loads its definitions.
START_SECONDS = 60.0
LOOK_SECONDS = 0.2


def ensure_api(place: Place, cloud_started: bool) -> str | None:
    """Waits until the API answers that it is ready; None without one, else how it went."""
    ecs, programs = client(place, "ecs"), place.state / "serving-api"
    if _service(ecs) is None:
        return None
    wanted = _fingerprint(place)
    if not cloud_started and programs.exists() and programs.read_text() != wanted:
        # What runs was started from the programs before: its file is another by now.
        ecs.update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)
    programs.write_text(wanted)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if _settled(_service(ecs)) and _is_ready(url(place)):
            return f"ready at {url(place)}"
        time.sleep(LOOK_SECONDS)
    return f"not ready; see {place.state / 'runner' / 'logs'}"


def variables(place: Place) -> dict[str, str]:
    """What clients of the API need; nothing without one."""
    if (address := url(place)) is None:
        return {}
    pools = client(place, "cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    pool = next(pool["Id"] for pool in pools if pool["Name"] == USER_POOL)
    return {"LAZARET_API_URL": address, "LAZARET_USER_POOL_ID": pool}


def url(place: Place) -> str | None:
    """Where its load balancer listens; None if there is none."""
    elb = client(place, "elbv2")
    try:
        (balancer,) = elb.describe_load_balancers(Names=[SERVICE])["LoadBalancers"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "LoadBalancerNotFound":
            raise
        return None
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    return f"http://{balancer['DNSName']}:{local_port(listener['Port'])}"


def _service(ecs: Any) -> dict[str, Any] | None:
    try:
        services = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ClusterNotFoundException":
            raise
        return None
    return next((service for service in services if service["status"] == "ACTIVE"), None)


def _settled(service: dict[str, Any] | None) -> bool:
    """Whether all tasks that run are of the newest deployment."""
    if service is None:
        return False
    newest = next(one for one in service["deployments"] if one["status"] == "PRIMARY")
    return newest["rolloutState"] == "COMPLETED" and newest["runningCount"] >= service["desiredCount"]


def _is_ready(address: str | None) -> bool:
    if address is None:
        return False
    try:
        with urllib.request.urlopen(f"{address}/api/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _fingerprint(place: Place) -> str:
    files = [(place.target / name).stat() for name in (API, ENGINE)]
    return " ".join(f"{file.st_mtime_ns} {file.st_size}" for file in files)
