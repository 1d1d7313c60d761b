"""No message is lost between threads, a message can be deleted again, and a waiting receiver gets one at once.

Stock: each receive and delete builds a queue's list of messages anew, while events of buckets are appended to it from
other threads: one that comes at that moment goes into the old list, and is gone. Deleting a message that is deleted, or
with a receipt that is not its last, is an error. A waiting receiver looks ten times a second.
AWS: at least once; such a delete succeeds and deletes nothing; messages come as they are sent.
Here: thousands of events in a row must all arrive, and half of the time from an upload to its verdict would be the wait.

How: lists are changed in place, by the one thread that handles requests; others only append.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any

from ministack.services import sqs

_LOOK_SECONDS = 0.01
# As MiniStack makes them.
_RECEIPT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def apply() -> None:
    sqs._expire_retained = _expire_retained
    sqs._dlq_sweep = _only_if_due(sqs._dlq_sweep)
    sqs._collect_msgs = _standard(sqs._collect_msgs)
    sqs._HANDLERS["DeleteMessage"] = sqs._act_delete_message = _delete_message
    sqs._HANDLERS["DeleteMessageBatch"] = sqs._act_delete_message_batch = _delete_message_batch
    sqs.asyncio = _Impatient()


def _expire_retained(queue: dict) -> None:
    oldest = time.time() - int(queue["attributes"].get("MessageRetentionPeriod", "345600"))
    messages = queue["messages"]
    # They lie in the order of their times; a dead letter keeps that of its first day.
    while messages and messages[0].get("enqueued_at", messages[0].get("sent_at", oldest + 1)) <= oldest:
        del messages[0]


def _only_if_due(stock: Callable[[dict], None]) -> Callable[[dict], None]:
    def sweep(queue: dict) -> None:
        limit = int(json.loads(queue["attributes"].get("RedrivePolicy") or "{}").get("maxReceiveCount") or 0)
        now = time.time()
        due = [
            message
            for message in queue["messages"]
            if limit and message.get("receive_count", 0) >= limit and message.get("visible_at", 0) <= now
        ]
        if due:
            # Stock moves them out of a list of their own. Without a dead-letter queue it moves nothing.
            apart = {**queue, "messages": list(due)}
            stock(apart)
            for message in due:
                if message not in apart["messages"]:
                    _remove(queue["messages"], message)

    return sweep


def _standard(stock: Callable[[dict, int, int], list]) -> Callable[[dict, int, int], list]:
    def collect(queue: dict, count: int, visibility_seconds: int) -> list:
        if queue["is_fifo"]:
            return stock(queue, count, visibility_seconds)
        now, chosen = time.time(), []
        for message in queue["messages"]:
            if message.get("visible_at", 0) <= now:
                chosen.append(message)
                if len(chosen) == count:
                    break
        return stock({**queue, "messages": chosen}, count, visibility_seconds)

    return collect


def _delete_message(data: dict, url: str) -> dict:
    queue = sqs._get_q(data.get("QueueUrl", url), "sqs:DeleteMessage")
    receipt = data.get("ReceiptHandle", "")
    if not receipt:
        raise sqs._Err("MissingParameter", "The request must contain the parameter ReceiptHandle.")
    if not _RECEIPT.fullmatch(receipt):
        raise sqs._Err("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
    for message in queue["messages"]:
        if message.get("receipt_handle") == receipt:
            _remove(queue["messages"], message)
            break
    return {}


def _delete_message_batch(data: dict, url: str) -> dict:
    entries = data.get("Entries", [])
    sqs._validate_batch_entries(entries, "DeleteMessageBatchRequestEntry")
    done, failed = [], []
    for entry in entries:
        try:
            _delete_message({"ReceiptHandle": entry.get("ReceiptHandle", "")}, data.get("QueueUrl", url))
            done.append({"Id": entry["Id"]})
        except sqs._Err as error:
            failed.append({"Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": True})
    return {"Successful": done, "Failed": failed}


def _remove(messages: list[dict], gone: dict) -> None:
    """What others append meanwhile comes behind it."""
    for index, message in enumerate(messages):
        if message is gone:
            del messages[index]
            return


class _Impatient:
    """`asyncio` for `sqs`, which only waits for messages with it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, _LOOK_SECONDS))
