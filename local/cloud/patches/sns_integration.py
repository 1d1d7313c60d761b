"""`sns:publish` tasks keep the attributes of their message.

Stock: publishes the message without its MessageAttributes.
AWS: subscribers get them, and filter by them.
Here: subscribers to the notifications choose by result and by bucket.
"""

from __future__ import annotations

from typing import Any

from ministack.services import stepfunctions

_RESOURCE = "arn:aws:states:::sns:publish"


def apply() -> None:
    stock = stepfunctions._invoke_sns_publish

    def invoke_sns_publish(resource: str, arguments: dict) -> Any:
        # MiniStack publishes from the parameters of the old query protocol.
        flat = {key: value for key, value in arguments.items() if key != "MessageAttributes"}
        for number, (name, value) in enumerate((arguments.get("MessageAttributes") or {}).items(), 1):
            entry = f"MessageAttributes.entry.{number}"
            flat[f"{entry}.Name"] = name
            flat |= {f"{entry}.Value.{part}": given for part, given in value.items()}
        return stock(resource, flat)

    stepfunctions._invoke_sns_publish = invoke_sns_publish
    stepfunctions._SERVICE_DISPATCH[_RESOURCE] = invoke_sns_publish
