"""`aws-sdk:sqs:*` tasks keep all their arguments and tell their errors by name.

Stock: calls SQS by its old query protocol. `CreateQueue` loses its Attributes without a word (no redrive policy, no
visibility timeout), and every error is `Sqs.ServiceException` with XML as its cause.
AWS: the attributes apply; errors are the SDK's, `Sqs.QueueDoesNotExistException`.
Here: the state machine opens a job's queues with a redrive policy; without it no packet ever reaches the dead letters.
"""

from __future__ import annotations

from ministack.services import stepfunctions

# The SDK's name of an error is the service's without its namespace, and with this ending.
_ENDING = "Exception"


def apply() -> None:
    stepfunctions._AWS_SDK_SERVICE_MAP["sqs"] = {"target_prefix": "AmazonSQS", "protocol": "json"}
    stock = stepfunctions._prefix_sdk_error

    def prefix_sdk_error(service: str, code: str) -> str:
        if service != "sqs":
            return stock(service, code)
        name = code.rsplit("#", 1)[-1].rsplit(".", 1)[-1]
        return stock(service, name if name.endswith(_ENDING) else name + _ENDING)

    stepfunctions._prefix_sdk_error = prefix_sdk_error
