"""`local/logs [PART OF A NAME]`: the log groups of the local cloud, or the lines of those that the name fits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from control.deploy import client
from control.place import Place


def main() -> int:
    logs = client(Place.from_environment(os.environ), "logs")
    wanted = sys.argv[1] if len(sys.argv) > 1 else None
    for page in logs.get_paginator("describe_log_groups").paginate():
        for name in (group["logGroupName"] for group in page["logGroups"]):
            if wanted is None:
                print(name)
            elif wanted in name:
                for event in sorted(_events(logs, name), key=lambda event: event["timestamp"]):
                    print(event["message"].rstrip("\n"))
    return 0


def _events(logs: Any, group: str) -> Iterator[dict]:
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
        yield from page["events"]


if __name__ == "__main__":
    raise SystemExit(main())
