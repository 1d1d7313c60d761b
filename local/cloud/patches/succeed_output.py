"""A Succeed state's `Output` is the execution's output.

Stock: a Succeed state passes its input on and never looks at `Output`.
AWS: with JSONata, `Output` is evaluated as in any other state.
Here: a job ends in `Succeed` with its summary as Output, which is what the console and the CLI show.
"""

from __future__ import annotations

from typing import Any

from ministack.services import stepfunctions


def apply() -> None:
    stock = stepfunctions._apply_output_path

    def apply_output_path(state: dict, data: Any, context: dict | None = None) -> Any:
        jsonata = stepfunctions._state_query_language(state, context) == "JSONata"
        if jsonata and state.get("Type") == "Succeed":
            return stepfunctions._apply_jsonata_output(state, data, context, default=data)
        return stock(state, data, context)

    stepfunctions._apply_output_path = apply_output_path
