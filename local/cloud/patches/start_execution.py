"""An execution is started once under its name, and a start that is told again succeeds while it runs.

Stock: a name that is taken is always an error. Names and inputs of any size and with any character are taken.
AWS: with the same input, the answer of the first start as long as it runs; else ExecutionAlreadyExists (for 90 days).
InvalidName above 80 characters and for some characters; InvalidExecutionInput above 256 KiB.
Here: agents start promotions by names made of hashes, each perhaps twice, and must tell those cases apart.
"""

from __future__ import annotations

import re

from ministack.services import stepfunctions

_NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}")
_LARGEST_INPUT_BYTES = 262_144


def apply() -> None:
    stock = stepfunctions._start_execution

    def start_execution(data: dict) -> tuple:
        name, given = data.get("name"), data.get("input", "{}")
        if name is not None and not _NAME.fullmatch(name):
            return stepfunctions.error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
        if len(given.encode()) > _LARGEST_INPUT_BYTES:
            words = f"The input exceeds {_LARGEST_INPUT_BYTES} bytes"
            return stepfunctions.error_response_json("InvalidExecutionInput", words, 400)
        if (first := _running(data.get("stateMachineArn", ""), name)) is not None and first["input"] == given:
            answer = {"executionArn": first["executionArn"], "startDate": first["startDate"]}
            return stepfunctions.json_response(answer)
        return stock(data)

    stepfunctions._start_execution = start_execution


def _running(machine: str, name: str | None) -> dict | None:
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
    execution = stepfunctions._executions.get(arn)
    return execution if execution is not None and execution["status"] == "RUNNING" else None
