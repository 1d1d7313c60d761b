"""`local/down`: stops everything that `local/up` started, and nothing else. Logs stay."""

from __future__ import annotations

import fcntl
import os

from control import processes
from control.place import Place


def main() -> int:
    place = Place.from_environment(os.environ)
    if not place.state.is_dir():
        print("local cloud: was never started here")
        return 0
    with (place.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stopped = processes.stop_all(place)
        for gone in ("env", "fingerprint", "deployed"):
            (place.state / gone).unlink(missing_ok=True)
        place.socket.unlink(missing_ok=True)
    print(f"local cloud: {'stopped' if stopped else 'was not running'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
