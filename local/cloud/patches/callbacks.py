"""Tasks that wait for their token: heartbeats count, times may be expressions, each attempt has its own token.

Stock: HeartbeatSeconds is ignored, so a killed crawler is waited for until TimeoutSeconds. A TimeoutSeconds of
`{% … %}` fails the execution with a Python error. A retried task gets the token of its first attempt, so that an
answer of the first counts for the second.
AWS: States.HeartbeatTimeout after HeartbeatSeconds without a beat; both fields may be JSONata; a new token for each
attempt, and the old one is answered with TaskTimedOut.
Here: a crawler that was killed is launched again, and a late answer of the first must not be taken for the second's.
"""

from __future__ import annotations

import contextvars
import threading
import time
from typing import Any

from ministack.services import stepfunctions

from cloud.patches.execution_life import NOTICE_SECONDS, current_is_over, leave_if_over

_SECONDS_FIELDS = ("TimeoutSeconds", "HeartbeatSeconds")


def apply() -> None:
    _seconds_may_be_expressions()
    _each_attempt_has_its_own_token()
    _silence_ends_a_callback()
    _a_closed_token_has_timed_out()


def _seconds_may_be_expressions() -> None:
    stock = stepfunctions._execute_task

    def execute_task(state: dict, raw_input: Any, execution: dict, context: dict) -> Any:
        expressions = [field for field in _SECONDS_FIELDS if isinstance(state.get(field), str)]
        values = {
            field: stepfunctions._jsonata_state_field(state, field, "number", raw_input, context)
            for field in expressions
        }
        return stock({**state, **values}, raw_input, execution, context)

    stepfunctions._execute_task = execute_task


def _each_attempt_has_its_own_token() -> None:
    # MiniStack evaluates the arguments once an attempt, and reads the token after that.
    stock = stepfunctions._apply_jsonata_arguments

    def apply_jsonata_arguments(state: dict, raw_input: Any, context: dict) -> Any:
        if ".waitForTaskToken" in state.get("Resource", ""):
            context["Task"] = {"Token": stepfunctions.new_uuid()}
        return stock(state, raw_input, context)

    stepfunctions._apply_jsonata_arguments = apply_jsonata_arguments


def _silence_ends_a_callback() -> None:
    stock = stepfunctions._invoke_with_callback

    def invoke_with_callback(resource: str, arguments: Any, token: str, state: dict) -> Any:
        answered = threading.Event()
        run, watched = contextvars.copy_context().run, (_watch, token, state.get("HeartbeatSeconds"), answered)
        threading.Thread(target=run, args=watched, daemon=True, name="lazaret-callback").start()
        try:
            return stock(resource, arguments, token, state)
        finally:
            answered.set()
            leave_if_over()

    stepfunctions._invoke_with_callback = invoke_with_callback


def _watch(token: str, heartbeat_seconds: float | None, answered: threading.Event) -> None:
    """Answers the token itself where its execution is over or no beat has come in time."""
    last_beat, last_seen = None, time.monotonic()
    while not answered.wait(NOTICE_SECONDS):
        task = stepfunctions._task_tokens.get(token)
        if task is None:
            continue
        if task["heartbeat"] != last_beat:
            last_beat, last_seen = task["heartbeat"], time.monotonic()
        silent = heartbeat_seconds is not None and time.monotonic() - last_seen > heartbeat_seconds
        if silent or current_is_over():
            # A callback whose execution is over leaves by `Ended`: then nobody reads this.
            task["error"] = {"Error": "States.HeartbeatTimeout", "Cause": ""}
            task["event"].set()
            return


def _a_closed_token_has_timed_out() -> None:
    for name in ("_send_task_success", "_send_task_failure", "_send_task_heartbeat"):
        setattr(stepfunctions, name, _refusing_closed(getattr(stepfunctions, name)))


def _refusing_closed(send: Any) -> Any:
    def refusing(data: dict) -> Any:
        if stepfunctions._task_tokens.get(data.get("taskToken")) is None:
            cause = "Task Timed Out: 'Provided task does not exist anymore'"
            return stepfunctions.error_response_json("TaskTimedOut", cause, 400)
        return send(data)

    return refusing
