"""StopTask asks the task to stop, and tells its real exit code.

Stock: marks the task STOPPED with exit code 0 before its containers are even signalled, kills them five seconds later
and answers only then.
AWS: answers at once with desiredStatus STOPPED, while lastStatus is still RUNNING; it becomes STOPPING. The containers
get SIGTERM, after `stopTimeout` SIGKILL; then lastStatus is STOPPED and the exit code is theirs.
Here: the tear-down stops the agents, waits until they are gone and only then deletes what they write to; an agent needs
its time to give a packet back.
"""

from __future__ import annotations

import contextvars
import threading

from ministack.services import ecs

# The default of `stopTimeout`.
_STOP_SECONDS = 30


def apply() -> None:
    stock = ecs._stop_task

    def stop_task(data: dict) -> tuple:
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        task = ecs._resolve_task(data.get("task", ""), cluster) if cluster else None
        if task is None or ecs._get_docker() is None:
            return stock(data)
        with ecs.resource_lock("ecs-task", task["taskArn"]):
            first = task["desiredStatus"] != "STOPPED"
            if first:
                _mark_stopping(task, data.get("reason", "Task stopped by user"))
            answer = ecs.json_response({"task": ecs._sanitize(task)})
            if first:
                # From here on it is no part of its service's strength.
                task["lastStatus"] = "STOPPING"
        if first:
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(_stop, task), daemon=True, name="lazaret-stop-task").start()
        return answer

    ecs._stop_task = stop_task
    ecs._ACTION_MAP["StopTask"] = stop_task


def _mark_stopping(task: dict, reason: str) -> None:
    # From here on MiniStack's own threads leave the task alone: they look after those that shall run.
    task["desiredStatus"] = "STOPPED"
    task["stoppingAt"] = ecs._iso()
    task["stopCode"] = "UserInitiated"
    task["stoppedReason"] = reason
    ecs._bump_task_version(task)


def _stop(task: dict) -> None:
    try:
        _await_start(task)
        _stop_containers(task)
    finally:
        _mark_stopped(task)
        ecs._cleanup_task_resources(task, ecs._get_docker())


def _await_start(task: dict) -> None:
    """MiniStack starts a task's containers in a thread of its own, which takes back what it started for nothing."""
    starting = f"ministack-ecs-task-{task['taskArn'].rsplit('/', 1)[-1][:8]}"
    for thread in threading.enumerate():
        if thread.name == starting:
            thread.join()


def _stop_containers(task: dict) -> None:
    definition = ecs._task_defs.get(ecs._resolve_td_key(task["taskDefinitionArn"])) or {}
    for index, docker_id in enumerate(list(task["_docker_ids"])):
        seconds = int(definition["containerDefinitions"][index].get("stopTimeout") or _STOP_SECONDS)
        container = ecs._get_docker().containers.get(docker_id)
        container.stop(timeout=seconds)
        task["containers"][index]["exitCode"] = container.wait()["StatusCode"]


def _mark_stopped(task: dict) -> None:
    with ecs.resource_lock("ecs-task", task["taskArn"]):
        task["stoppedAt"] = task["executionStoppedAt"] = ecs._iso()
        for container in task["containers"]:
            container["lastStatus"] = "STOPPED"
        task["lastStatus"] = "STOPPED"
        ecs._bump_task_version(task)
    ecs.ecs_metadata.set_task_status(task["taskArn"], known_status="STOPPED", desired_status="STOPPED")
    ecs._recount_cluster(ecs._cluster_name_from_arn(task["clusterArn"]))
