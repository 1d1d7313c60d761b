"""`cdk deploy` into the local cloud, and nothing twice.

Synthesis takes most of the time, and gives the same assembly for the same sources: so it is kept and deployed again.
The CDK's own version checks, notices and telemetry are off: they need the internet.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from cloud.settings import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY

from control.machine import digest
from control.place import ROOT, Place

CDK = ROOT / "cdk"
# The name stands in cdk/lib/lazaret.ts. It takes the place of `cdk bootstrap`, which takes 14 s and makes roles that
# nothing here assumes.
ASSETS_BUCKET = "lazaret-local-assets"
DEPLOY_SECONDS = 600


class DeployFailed(Exception):
    """With the end of what the CDK said."""


def deploy(place: Place, context: list[str]) -> bool:
    """False if there was nothing to do."""
    done, assembled = place.state / "deployed", place.state / "assembled"
    wanted = _fingerprint(place, context)
    if _read(done) == wanted:
        return False
    _create_assets_bucket(place)
    options = ["--require-approval", "never", "--method", "direct", "--progress", "events", "--ci"]
    options += ["--no-notices", "--no-version-reporting", "--asset-parallelism"]
    if _read(assembled) == wanted:
        _run(place, ["cdk", "deploy", "--all", "--app", str(place.assembly), *options], "wb")
    else:
        _run(place, ["tsc"], "wb")
        pairs = [word for pair in context for word in ("--context", pair)]
        _run(place, ["cdk", "deploy", "--all", "--output", str(place.assembly), *pairs, *options], "ab")
        assembled.write_text(wanted)
    done.write_text(wanted)
    return True


def destroy(place: Place) -> None:
    """All stacks, by the assembly that they were deployed from."""
    done = place.state / "deployed"
    if not done.exists():
        raise DeployFailed("nothing is deployed here; local/up deploys")
    _run(place, ["cdk", "destroy", "--all", "--force", "--app", str(place.assembly), "--ci", "--no-notices"], "ab")
    done.unlink()
    assets = client(place, "s3")
    for page in assets.get_paginator("list_objects_v2").paginate(Bucket=ASSETS_BUCKET):
        for one in page.get("Contents", []):
            assets.delete_object(Bucket=ASSETS_BUCKET, Key=one["Key"])
    assets.delete_bucket(Bucket=ASSETS_BUCKET)


def environment(place: Place) -> dict[str, str]:
    """What any client of the local cloud needs. The names are those of cdk/lib/names.ts."""
    states, topics = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine", f"arn:aws:sns:{REGION}:{ACCOUNT}"
    queues = f"{place.endpoint}/{ACCOUNT}"
    return {
        "AWS_ENDPOINT_URL": place.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        # Nobody answers there on most machines, and a real instance's role has no business here.
        "AWS_EC2_METADATA_DISABLED": "true",
        # Profiles may name other endpoints.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LAZARET_STATE_MACHINE_ARN": f"{states}:lazaret-retro-job",
        "LAZARET_PROMOTE_STATE_MACHINE_ARN": f"{states}:lazaret-promote-object",
        "LAZARET_RESULTS_BUCKET": f"lazaret-results-{ACCOUNT}-{REGION}",
        "LAZARET_QUARANTINE_BUCKET": f"lazaret-quarantine-{ACCOUNT}-{REGION}",
        "LAZARET_EVENTS_TOPIC_ARN": f"{topics}:lazaret-events",
        "LAZARET_EVENTS_QUEUE_URL": f"{queues}/lazaret-events",
        "LAZARET_EVENTS_DEAD_QUEUE_URL": f"{queues}/lazaret-events-dead",
        "LAZARET_NOTIFICATIONS_TOPIC_ARN": f"{topics}:lazaret-notifications",
        # S3 takes minutes until every write is told of; the emulator tells of the next one.
        "LAZARET_ACTIVATION_SETTLE_SECONDS": "1",
    }


def _fingerprint(place: Place, context: list[str]) -> str:
    sources = [file for folder in ("bin", "lib") for file in (CDK / folder).rglob("*.ts")]
    sources += [CDK / name for name in ("cdk.json", "package-lock.json", "tsconfig.json")]
    sources += [*(ROOT / "statemachines").glob("*.json"), place.functions / "bootstrap"]
    return digest(sources, f"{place.endpoint} {context}")


def client(place: Place, service: str) -> Any:
    """Of the SDK for Python, for the local cloud."""
    return botocore.session.get_session().create_client(
        service,
        region_name=REGION,
        endpoint_url=place.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def _create_assets_bucket(place: Place) -> None:
    try:
        client(place, "s3").create_bucket(
            Bucket=ASSETS_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise


def _run(place: Place, command: list[str], mode: str) -> None:
    program = CDK / "node_modules" / ".bin" / command[0]
    if not program.exists():
        raise DeployFailed(f"{program} is not there: run `make setup`")
    variables = {
        **os.environ,
        **environment(place),
        "LAZARET_LOCAL": "1",
        "LAZARET_FUNCTIONS_DIR": str(place.functions),
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "CDK_DISABLE_VERSION_CHECK": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_HOME": str(place.state / "cdk-home"),
    }
    log = place.state / "deploy.log"
    with log.open(mode) as file:
        done = subprocess.run(
            [str(program), *command[1:]],
            cwd=CDK,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            timeout=DEPLOY_SECONDS,
        )
    if done.returncode != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        raise DeployFailed(f"`{command[0]}` failed; the end of {log}:\n{end}")


def _read(file: Path) -> str | None:
    return file.read_text() if file.exists() else None
