"""Publishes definitions into the local cloud, as a person does it on AWS."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from control.deploy import environment
from control.place import Place
from control.programs import CLI, ENGINE

# All of ClamAV's signatures take 15 s to load on a quiet machine.
PUBLISH_SECONDS = 600


class PublishFailed(Exception):
    """With what `lazaret` said."""


def publish_definitions(place: Place, directory: Path) -> str:
    """Tries the set of a directory and puts it in force. Returns its version; the same set again is no work."""
    command = [str(place.target / CLI), "definitions", "update", "--json", "--from", str(directory.absolute())]
    # The directory that was named is the one that is meant, older than another or not.
    command += ["--force", "--engine", str(place.target / ENGINE)]
    done = subprocess.run(
        command,
        env={**os.environ, **environment(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PUBLISH_SECONDS,
    )
    if done.returncode != 0:
        raise PublishFailed(f"the definitions in {directory} were not published:\n{done.stderr.strip()}")
    return json.loads(done.stdout)["version"]
