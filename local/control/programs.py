"""The built programs: those that must be there, and how containers and functions find them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from cloud.settings import REGION

from control.place import Place

RUNNER = "lazaret-local-runner"
CLI = "lazaret"
CRAWLER = "lazaret-crawler"
AGENT = "lazaret-agent"
API = "lazaret-api"
ENGINE = "lazaret-engine"
FUNCTIONS = "bootstrap"
# Those that the runner starts; an engine ends with its agent.
TASKS = (CRAWLER, AGENT, API)


def missing(place: Place, deploy: bool) -> list[str]:
    """The programs that have not been built."""
    wanted = [RUNNER, CLI, CRAWLER, AGENT, API, ENGINE, FUNCTIONS] if deploy else [RUNNER]
    return [name for name in wanted if not (place.target / name).is_file()]


def write_images(place: Place) -> None:
    """The runner's image list. An image knows the paths in it: those of the agent lie elsewhere on this machine."""
    # Fargate tells its tasks the region; MiniStack does not.
    fargate = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    agent = {
        **fargate,
        "LAZARET_ENGINE": str(place.target / ENGINE),
        "LAZARET_SCRATCH_DIR": "{work}",
        "TMPDIR": "{work}",
    }
    # All containers are on one machine: each server listens on its container's own address.
    api = {**agent, "LAZARET_API_LISTEN": "{address}:8080"}
    images = {
        "lazaret/crawler": {"argv": [str(place.target / CRAWLER)], "env": fargate},
        "lazaret/agent": {"argv": [str(place.target / AGENT)], "env": agent},
        "lazaret/api": {"argv": [str(place.target / API)], "env": api},
    }
    replace(place.images, json.dumps(images, indent=2))


def write_functions(place: Place) -> None:
    """The zip's folder: `bootstrap` without debug information, a fifth of its size."""
    place.functions.mkdir(parents=True, exist_ok=True)
    built, copy = place.target / FUNCTIONS, place.functions / FUNCTIONS
    if copy.exists() and copy.stat().st_mtime_ns == built.stat().st_mtime_ns:
        return
    new = place.functions.parent / f"{FUNCTIONS}.new"
    if (
        shutil.which("strip") is None
        or subprocess.run(["strip", "-o", new, built], stderr=subprocess.DEVNULL).returncode != 0
    ):
        shutil.copyfile(built, new)
    new.chmod(0o755)
    # The built program's time marks the copy as its own; the asset's hash is over contents alone.
    os.utime(new, ns=(built.stat().st_atime_ns, built.stat().st_mtime_ns))
    new.replace(copy)


def link_cli(place: Place) -> Path:
    """A folder for PATH that holds `lazaret` and nothing else."""
    folder = place.state / "bin"
    folder.mkdir(exist_ok=True)
    link = folder / CLI
    link.unlink(missing_ok=True)
    link.symlink_to(place.target / CLI)
    return folder


def replace(path: Path, text: str) -> None:
    """Writes a file that others may be reading."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)
