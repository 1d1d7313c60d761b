"""`local/up`: starts runner and MiniStack, deploys, writes `.local/env`."""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import sys
import time
from pathlib import Path

from control import api, machine, processes, programs
from control.definitions import PublishFailed, publish_definitions
from control.deploy import DeployFailed, deploy, environment
from control.events import ensure_agents
from control.machine import StartFailed
from control.place import Place, forget_account


def main() -> int:
    forget_account()
    place = Place.from_environment(os.environ)
    options = _options(place)
    if absent := programs.missing(place, options.deploy):
        return _refuse(f"not in {place.target}: {', '.join(absent)}; run `cargo build --workspace`")
    if options.deploy and not any(options.definitions.glob("*")):
        return _refuse(f"no definitions in {options.definitions}; give --definitions DIR")
    place.state.mkdir(parents=True, exist_ok=True)
    with (place.state / "lock").open("w") as lock:
        # A second `up` or `down` of the same place waits for this one. Not inherited: what is started outlives us.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _up(place, options)


def _up(place: Place, options: argparse.Namespace) -> int:
    begin, started = time.monotonic(), False
    try:
        if options.deploy:
            programs.write_images(place)
        started = machine.ensure(place, options.fresh)
        print(f"local cloud: {place.endpoint}, {'started' if started else 'was running'}", flush=True)
        if options.deploy:
            programs.write_functions(place)
            changed = deploy(place, options.context)
            print(f"stacks: {'deployed' if changed else 'up to date'}", flush=True)
            print(f"definitions: {publish_definitions(place, options.definitions)}", flush=True)
            # Only now: an agent wants definitions.
            if (agents := ensure_agents(place, started)) is not None:
                print(f"events: {agents}", flush=True)
            if (server := api.ensure_api(place, started)) is not None:
                print(f"api: {server}", flush=True)
    except BaseException as error:
        # What was running before stays; what this call started goes with it.
        if started or isinstance(error, StartFailed):
            processes.stop_all(place)
        if isinstance(error, (StartFailed, DeployFailed, PublishFailed)):
            return _refuse(str(error))
        raise
    _write_env(place)
    print(f"ready in {time.monotonic() - begin:.1f} s: source {_shown(place.env_file)}")
    return 0


def _options(place: Place) -> argparse.Namespace:
    parser = argparse.ArgumentParser("local/up", description=__doc__)
    definitions = Path(os.environ.get("LAZARET_DEFINITIONS_DIR") or place.state / "definitions")
    parser.add_argument("--definitions", type=Path, default=definitions, help=f"of ClamAV; default {definitions}")
    parser.add_argument("--fresh", action="store_true", help="start anew, and forget what is in a running cloud")
    parser.add_argument("--no-deploy", dest="deploy", action="store_false", help="an empty cloud, without the stacks")
    parser.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE", help="a setting of cdk/")
    return parser.parse_args()


def _write_env(place: Place) -> None:
    variables = {**environment(place), **api.variables(place), "LAZARET_LOCAL_USAGE": str(place.usage)}
    lines = ["# Written by local/up: source it, and the AWS CLI, the SDKs and `lazaret` talk to the local cloud."]
    services = " ".join(f"AWS_ENDPOINT_URL_{name}" for name in ("CLOUDFORMATION", "ECS", "S3", "SFN", "SQS", "STS"))
    lines.append(f"unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN {services}")
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines.append(f'export PATH={shlex.quote(str(programs.link_cli(place)))}:"$PATH"')
    programs.replace(place.env_file, "\n".join(lines) + "\n")


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _refuse(reason: str) -> int:
    print(f"local/up: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
