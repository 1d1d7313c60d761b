"""Runner and MiniStack: started, or used on if they run already and are what would be started."""

from __future__ import annotations

import hashlib
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from control import processes
from control.place import ROOT, Place
from control.programs import RUNNER

START_SECONDS = 60.0


class StartFailed(Exception):
    """With what a person needs to know."""


def ensure(place: Place, fresh: bool) -> bool:
    """True if the cloud was started, and so is empty."""
    fingerprint_file, wanted = place.state / "fingerprint", _fingerprint(place)
    same = fingerprint_file.exists() and fingerprint_file.read_text() == wanted
    if not fresh and same and processes.running(place) and _runner_answers(place) and cloud_answers(place):
        return False
    processes.stop_all(place)
    if _port_is_taken(place):
        raise StartFailed(f"port {place.port} is taken by another program; set LAZARET_LOCAL_PORT to a free one")
    for stale in (fingerprint_file, place.state / "deployed"):
        stale.unlink(missing_ok=True)
    shutil.rmtree(place.state / "cloud", ignore_errors=True)
    _start(place)
    fingerprint_file.write_text(wanted)
    return True


def _start(place: Place) -> None:
    place.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    runner = processes.start(
        place,
        "runner",
        [str(place.target / RUNNER)],
        LAZARET_RUNNER_SOCKET=str(place.socket),
        LAZARET_RUNNER_IMAGES=str(place.images),
        LAZARET_RUNNER_DIR=str(place.state / "runner"),
    )
    # Both at once: MiniStack asks for the runner only when it starts the first task.
    cloud = processes.start(
        place,
        "cloud",
        [sys.executable, "-m", "cloud"],
        LAZARET_LOCAL_PORT=str(place.port),
        LAZARET_CLOUD_SCRATCH=str(place.state / "cloud"),
        DOCKER_HOST=f"unix://{place.socket}",
        PYTHONPATH=str(ROOT / "local"),
    )
    for name, process, answers in (("runner", runner, _runner_answers), ("cloud", cloud, cloud_answers)):

        def ready(process=process, name=name, answers=answers) -> bool:
            if process.poll() is not None:
                raise StartFailed(f"the {name} ended at once; see {place.state / name}.log")
            return answers(place)

        if not await_condition(ready, START_SECONDS):
            raise StartFailed(f"the {name} does not answer; see {place.state / name}.log")


def cloud_answers(place: Place) -> bool:
    try:
        with urllib.request.urlopen(f"{place.endpoint}/_ministack/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _runner_answers(place: Place) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(place.socket))
            return True
        except OSError:
            return False


def _port_is_taken(place: Place) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", place.port)) == 0


def _fingerprint(place: Place) -> str:
    runner = (place.target / RUNNER).stat()
    files = [*(ROOT / "local" / "cloud").rglob("*.py"), ROOT / "local" / "requirements.txt"]
    return digest(files, f"{place.port} {runner.st_mtime_ns} {runner.st_size} {sys.executable}")


def digest(files: Iterable[Path], more: str) -> str:
    """Of contents and names, and of `more`."""
    sum_ = hashlib.sha256(more.encode())
    for file in sorted(files):
        sum_.update(f"\0{file}\0".encode())
        sum_.update(file.read_bytes())
    return sum_.hexdigest()


def await_condition(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
