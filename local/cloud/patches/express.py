"""An Express machine's executions have no names of their own, no description and no status events.

Stock: treats an Express machine as a Standard one.
AWS: each start is a new execution, whatever its name; DescribeExecution and its like refuse its ARN (InvalidArn);
*Execution Status Change* is for Standard machines alone.
Here: promotions may run as either, by a setting. What an agent may ask about an execution depends on it.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import stepfunctions

_ASKING = ("_describe_execution", "_get_execution_history", "_stop_execution", "_describe_state_machine_for_execution")


def apply() -> None:
    _each_start_is_new()
    _nobody_can_ask()
    _no_status_events()


def _is_express(machine: str) -> bool:
    arn = stepfunctions._resolve_state_machine_arn(machine)
    return arn is not None and stepfunctions._state_machines[arn].get("type") == "EXPRESS"


def _each_start_is_new() -> None:
    stock = stepfunctions._start_execution

    def start_execution(data: dict) -> tuple:
        if not _is_express(data.get("stateMachineArn", "")):
            return stock(data)
        identity = stepfunctions.new_uuid()
        status, headers, body = stock({**data, "name": identity})
        if status == 200:
            answer = json.loads(body)
            arn = answer["executionArn"].replace(":execution:", ":express:")
            answer["executionArn"] = f"{arn.removesuffix(identity)}{data.get('name') or identity}:{identity}"
            body = json.dumps(answer).encode()
        return status, headers, body

    stepfunctions._start_execution = start_execution


def _nobody_can_ask() -> None:
    def refusing(stock: Any) -> Any:
        def ask(data: dict) -> tuple:
            arn = data.get("executionArn") or ""
            if ":express:" in arn:
                words = f"Invalid Arn: 'Resource type not valid in this context: express': '{arn}'"
                return stepfunctions.error_response_json("InvalidArn", words, 400)
            return stock(data)

        return ask

    for name in _ASKING:
        setattr(stepfunctions, name, refusing(getattr(stepfunctions, name)))


def _no_status_events() -> None:
    stock = stepfunctions._emit_execution_status_event

    def emit(execution: dict) -> None:
        if not _is_express(execution["stateMachineArn"]):
            stock(execution)

    stepfunctions._emit_execution_status_event = emit
