"""The processes of a local cloud, found by a mark in their environment.

A process id in a file may be another process's by now; the environment of a process can't be mistaken. What MiniStack
starts (functions) inherits the mark. Containers do not: the runner takes them along when it ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from control.place import Place

MARK = "LAZARET_LOCAL_STATE"
# MiniStack waits for open connections when it is asked to end, and has nothing to save.
PATIENCE_SECONDS = 3.0


def start(place: Place, name: str, command: list[str], **variables: str) -> subprocess.Popen:
    """In the background, beyond the end of this program; its log is `<name>.log`."""
    environment = {**os.environ, **variables, MARK: str(place.state)}
    with (place.state / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def running(place: Place) -> list[int]:
    """Process ids of all that carry this place's mark."""
    mark = f"{MARK}={place.state}".encode()
    return [pid for pid in _process_ids() if mark in _environment(pid)]


def stop_all(place: Place) -> int:
    """Ends them all, and returns how many there were."""
    found = running(place)
    _signal(found, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (left := running(place)) and time.monotonic() < deadline:
        time.sleep(0.05)
    while left:
        _signal(left, signal.SIGKILL)
        time.sleep(0.05)
        left = running(place)
    return len(found)


def _process_ids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal() and int(entry) != os.getpid()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []  # ended meanwhile, or another user's


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
