"""A service keeps its count of tasks, whatever ends them.

Stock: replaces a task that ended by itself, and never one that StopTask ended. A task that can't start is replaced at
once, several times a second for ever.
AWS: each task that stops is replaced; one that keeps failing at its start is launched with longer and longer pauses.
Here: the events service must come back after each kind of end, and one agent that can't start (no definitions yet) must
not take the processors from all the others.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from ministack.services import ecs

_LONGEST_PAUSE_SECONDS = 15.0


@dataclass
class _Service:
    """What stock does not know of one."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    failed_starts: int = 0
    # of the monotonic clock
    launch_from: float = 0.0
    waits: bool = False


_services: defaultdict[str, _Service] = defaultdict(_Service)


def apply() -> None:
    _reconcile_one_at_a_time()
    _failed_starts_are_slowed_down()
    _stopped_tasks_are_replaced()


def _reconcile_one_at_a_time() -> None:
    # Several tasks can end at once: each end must count those that the one before it has launched.
    stock = ecs._reconcile_service_tasks

    def reconcile(cluster: str, key: str) -> None:
        service = _services[key]
        with service.lock:
            pause = service.launch_from - time.monotonic()
            if pause <= 0 or (ecs._services.get(key) or {}).get("desiredCount") == 0:
                stock(cluster, key)
            elif not service.waits:
                service.waits = True
                _later(pause, resume, cluster, key)

    def resume(cluster: str, key: str) -> None:
        _services[key].waits = False
        reconcile(cluster, key)

    ecs._reconcile_service_tasks = reconcile


def _failed_starts_are_slowed_down() -> None:
    stock = ecs._record_service_task_failure

    def record_service_task_failure(task: dict, *arguments: object, **named: object) -> None:
        if (key := _service_key(task)) is not None:
            service = _services[key]
            with service.lock:
                # MiniStack calls a task stable that has run for a second.
                service.failed_starts = 0 if task.get("_startup_stable") else service.failed_starts + 1
                pause = min(2.0 ** (service.failed_starts - 1), _LONGEST_PAUSE_SECONDS) if service.failed_starts else 0
                service.launch_from = time.monotonic() + pause
        stock(task, *arguments, **named)

    ecs._record_service_task_failure = record_service_task_failure


def _stopped_tasks_are_replaced() -> None:
    stop = ecs._stop_task

    def stop_task(data: dict) -> tuple:
        answer = stop(data)
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        task = ecs._resolve_task(data.get("task", ""), cluster) if cluster else None
        if task is not None and (key := _service_key(task)) is not None:
            # In a thread of its own: it may be the service itself that stops the task, to have fewer.
            _later(0, ecs._reconcile_service_tasks, cluster, key)
        return answer

    ecs._stop_task = stop_task
    ecs._ACTION_MAP["StopTask"] = stop_task


def _service_key(task: dict) -> str | None:
    cluster, group = ecs._cluster_name_from_arn(task.get("clusterArn", "")), task.get("group") or ""
    return f"{cluster}/{group.removeprefix('service:')}" if group.startswith("service:") else None


def _later(seconds: float, what: object, *arguments: object) -> None:
    # The copy holds the account and region in which MiniStack finds the service.
    timer = threading.Timer(seconds, contextvars.copy_context().run, (what, *arguments))
    timer.daemon = True
    timer.start()
