"""Events of objects on EventBridge name the version, and rules of a bucket may not overlap.

Stock: *Object Created* has no `version-id`. Two rules of a bucket for the same events and keys are both taken, and
events come twice. The names of filters are given back as they were put.
AWS: the version id is there; InvalidArgument, "Configurations overlap"; the names come back as `Prefix` and `Suffix`.
Here: what an event names is what is scanned; `lazaret bucket protect` adds a rule to those that are there, and compares
what it finds.
"""

from __future__ import annotations

import contextvars
import itertools
import json
from typing import Any

from ministack.services import eventbridge, s3

_version: contextvars.ContextVar[str | None] = contextvars.ContextVar("lazaret_event_version", default=None)


def apply() -> None:
    _eventbridge_names_the_version()
    _overlaps_are_refused()
    _filters_have_capital_names()


def _eventbridge_names_the_version() -> None:
    stock_fire, stock_dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_s3_event(*arguments: Any, **named: Any) -> None:
        _version.set(named.get("version_id"))
        stock_fire(*arguments, **named)

    def dispatch_event(event: dict, *rest: Any) -> Any:
        version = _version.get()
        if event.get("Source") == "aws.s3" and version:
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event = {**event, "Detail": json.dumps(detail)}
        return stock_dispatch(event, *rest)

    s3._fire_s3_event, eventbridge._dispatch_event = fire_s3_event, dispatch_event


def _overlaps_are_refused() -> None:
    stock = s3._validate_notification_configs

    def validate(configurations: list[dict], *rest: Any) -> tuple | None:
        refusal = stock(configurations, *rest)
        if refusal is None and any(_overlap(*pair) for pair in itertools.combinations(configurations, 2)):
            words = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
            return s3._invalid_notification_config(words)
        return refusal

    s3._validate_notification_configs = validate


def _overlap(one: dict, other: dict) -> bool:
    """Whether an object can be meant by both."""
    events = any(_covers(a, b) or _covers(b, a) for a in one["events"] for b in other["events"])
    prefixes, suffixes = ([rule[f"filter_{part}"] or "" for rule in (one, other)] for part in ("prefix", "suffix"))
    return (
        events
        and (prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0]))
        and (suffixes[0].endswith(suffixes[1]) or suffixes[1].endswith(suffixes[0]))
    )


def _covers(pattern: str, event: str) -> bool:
    return pattern == event or (pattern.endswith("*") and event.startswith(pattern[:-1]))


def _filters_have_capital_names() -> None:
    stock = s3._notification_configs_to_xml

    def to_xml(configurations: list[dict], has_eventbridge: bool) -> str:
        text = stock(configurations, has_eventbridge)
        for name in ("prefix", "suffix"):
            text = text.replace(f"<Name>{name}</Name>", f"<Name>{name.capitalize()}</Name>")
        return text

    s3._notification_configs_to_xml = to_xml
