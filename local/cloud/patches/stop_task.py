"""StopTask asks the task to stop, and tells its real exit code.

Stock: marks the task STOPPED with exit code 0 before its containers are even signalled, kills them five seconds later
and answers only then.
AWS: answers at once with desiredStatus STOPPED, while lastStatus is still RUNNING. The containers get SIGTERM, after
`stopTimeout` SIGKILL; then lastStatus is STOPPED and the exit code is theirs.
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
        with ecs.resource_lock("ecs-task", task["taskArn"] if task else ""):
            if task is None or task["lastStatus"] == "STOPPED" or not task.get("_docker_ids"):
                asked = None
            else:
                asked = task["desiredStatus"] == "STOPPED"
                _mark_stopping(task, data.get("reason", "Task stopped by user"))
        if asked is None:
            # Not there, gone already, or without a container yet: nothing to wait for.
            return stock(data)
        if not asked:
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(_stop, task), daemon=True, name="lazaret-stop-task").start()
        return ecs.json_response({"task": ecs._sanitize(task)})

    ecs._stop_task = stop_task
    ecs._ACTION_MAP["StopTask"] = stop_task


def _mark_stopping(task: dict, reason: str) -> None:
    # From here on MiniStack's own watcher leaves the task alone: it looks after those that shall run.
    task["desiredStatus"] = "STOPPED"
    task["stoppingAt"] = task.get("stoppingAt") or ecs._iso()
    task["stopCode"] = task.get("stopCode") or "UserInitiated"
    task["stoppedReason"] = task.get("stoppedReason") or reason
    ecs._bump_task_version(task)


def _stop(task: dict) -> None:
    docker = ecs._get_docker()
    for container, docker_id, seconds in zip(task["containers"], list(task["_docker_ids"]), _patience(task)):
        running = docker.containers.get(docker_id)
        # docker-py waits this much longer than its own time-out for the answer
        running.stop(timeout=seconds)
        container["exitCode"] = running.wait()["StatusCode"]
        container["lastStatus"] = "STOPPED"
    with ecs.resource_lock("ecs-task", task["taskArn"]):
        task["stoppedAt"] = task["executionStoppedAt"] = ecs._iso()
        task["lastStatus"] = "STOPPED"
        ecs._bump_task_version(task)
    ecs.ecs_metadata.set_task_status(task["taskArn"], known_status="STOPPED", desired_status="STOPPED")
    ecs._recount_cluster(ecs._cluster_name_from_arn(task["clusterArn"]))
    ecs._cleanup_task_resources(task, docker)


def _patience(task: dict) -> list[int]:
    definition = ecs._task_defs.get(ecs._resolve_td_key(task["taskDefinitionArn"])) or {}
    containers = definition.get("containerDefinitions", [])
    return [int(container.get("stopTimeout") or _STOP_SECONDS) for container in containers]
