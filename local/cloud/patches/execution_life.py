"""An execution that has ended stays ended, and one that runs too long is ended.

Stock: StopExecution sets the status only. The states inside a Map go on and start more tasks, a waiting token is waited
for, and when one of them fails the status flips from ABORTED to FAILED. The machine's TimeoutSeconds is ignored. A Map
whose item failed runs all the others to their end. A FAILED execution has an output.
AWS: nothing more is started after the end, whatever ended it; TIMED_OUT after TimeoutSeconds; the first failed item
ends its Map; only SUCCEEDED has an output.
Here: after `lazaret job stop` nothing may start a crawler behind the tear-down's back, and the rule that tears down
after an abort or a time-out must see exactly that status.

How: each execution walks in a `Scope`, each Map in one below it. Threads that MiniStack starts inherit it, since it
lies in a context variable. Before and after each state the walk asks its scope, and leaves by `Ended` if that is over.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

# How soon a wait notices that its execution has ended.
NOTICE_SECONDS = 0.1


class Ended(BaseException):
    """The walk's scope is over. Not an `Exception`: no Retry, Catch or `except Exception` may take it for a failure."""


class Scope:
    """Something that a walk is part of: an execution, or a Map in it."""

    def __init__(self, parent: Scope | None, is_over: Callable[[], bool]) -> None:
        self._parent = parent
        self._is_over = is_over

    def over(self) -> bool:
        return self._is_over() or (self._parent is not None and self._parent.over())


class MapScope(Scope):
    """Over as soon as one item has failed."""

    def __init__(self, parent: Scope | None) -> None:
        self.failed = threading.Event()
        super().__init__(parent, self.failed.is_set)


_current: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("lazaret_scope", default=None)


def current_is_over() -> bool:
    """Whether the walk that asks has been ended from outside."""
    scope = _current.get()
    return scope is not None and scope.over()


def leave_if_over() -> None:
    if current_is_over():
        raise Ended


def apply() -> None:
    _end_stays_the_end()
    _walk_in_scopes()
    _waits_can_be_ended()
    _first_failed_item_ends_its_map()


def _end_stays_the_end() -> None:
    stock = stepfunctions._fail_execution

    def fail_execution(execution: dict, error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            stock(execution, error, cause)
            execution["output"] = None

    stepfunctions._fail_execution = fail_execution


def _walk_in_scopes() -> None:
    stock = stepfunctions._run_execution

    def run_execution(arn: str) -> None:
        execution = stepfunctions._executions.get(arn)
        if execution is None:
            return
        _current.set(Scope(None, lambda: execution["status"] != "RUNNING"))
        alarm = _time_out_alarm(execution)
        try:
            stock(arn)
        except Ended:
            pass
        finally:
            if alarm is not None:
                alarm.cancel()

    stepfunctions._run_execution = run_execution
    for name in ("_execute_task", "_execute_map", "_execute_wait", "_execute_pass", "_execute_choice"):
        setattr(stepfunctions, name, _asking_before_and_after(getattr(stepfunctions, name)))


def _time_out_alarm(execution: dict) -> threading.Timer | None:
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) or {}
    seconds = stepfunctions.json.loads(machine.get("definition", "{}")).get("TimeoutSeconds")
    if seconds is None:
        return None
    # The copy holds the account and region in which MiniStack finds the execution's rules.
    alarm = threading.Timer(seconds, contextvars.copy_context().run, (_time_out, execution))
    alarm.daemon = True
    alarm.start()
    return alarm


def _time_out(execution: dict) -> None:
    if execution["status"] != "RUNNING":
        return
    execution["stopDate"] = stepfunctions.now_iso()
    execution["error"] = "States.Timeout"
    execution["status"] = "TIMED_OUT"
    stepfunctions._add_event(execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {}})
    stepfunctions._emit_execution_status_event(execution)


def _asking_before_and_after(execute: Callable[..., Any]) -> Callable[..., Any]:
    def asking(*arguments: Any) -> Any:
        leave_if_over()
        try:
            return execute(*arguments)
        finally:
            # In place of a result or an error that nobody may see any more.
            leave_if_over()

    return asking


def _waits_can_be_ended() -> None:
    """Wait states, and the pauses between retries."""

    def sleep(seconds: float) -> None:
        deadline = time.monotonic() + seconds * stepfunctions._SFN_WAIT_SCALE
        while (rest := deadline - time.monotonic()) > 0:
            leave_if_over()
            time.sleep(min(rest, NOTICE_SECONDS))

    stepfunctions._scaled_sleep = sleep


def _first_failed_item_ends_its_map() -> None:
    stock_items = stepfunctions._run_map_items
    stock_item = stepfunctions._run_sub_machine

    def run_map_items(*arguments: Any) -> Any:
        before = _current.set(MapScope(_current.get()))
        try:
            return stock_items(*arguments)
        finally:
            _current.reset(before)
            leave_if_over()

    def run_sub_machine(*arguments: Any) -> Any:
        try:
            return stock_item(*arguments)
        except Exception:
            scope = _current.get()
            if isinstance(scope, MapScope):
                scope.failed.set()
            raise

    stepfunctions._run_map_items = run_map_items
    stepfunctions._run_sub_machine = run_sub_machine
