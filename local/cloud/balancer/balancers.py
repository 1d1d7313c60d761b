"""Listeners and target groups, kept as MiniStack has them: looked at twenty times a second, since CloudFormation, ECS and the API all change them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any

from ministack.services import alb

from cloud.balancer import exchange, targets, wire
from cloud.balancer.place import address, local_port

logger = logging.getLogger("lazaret.balancer")
_LOOK_SECONDS = 0.05


class Balancers:
    """All of one cloud, in a thread of their own."""

    def __init__(self, cloud_port: int) -> None:
        self._cloud_port = cloud_port
        self._loop = asyncio.new_event_loop()
        # By ARN.
        self._groups: dict[str, targets.Group] = {}
        self._listeners: dict[str, tuple[exchange.Listener, asyncio.Server]] = {}
        self._failed: set[str] = set()

    def start(self) -> None:
        threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True).start()

    def address_of(self, balancer: dict) -> str | None:
        """Where it listens; None if it does not here."""
        arn = balancer["LoadBalancerArn"]
        served = any(_carried(listener) for listener in _all(alb._listeners) if listener["LoadBalancerArn"] == arn)
        return address(self._cloud_port, balancer["LoadBalancerName"]) if served else None

    def states(self, group: str) -> dict[tuple[str, int], str] | None:
        """Of all targets; None of a group that nobody sends requests to from here."""
        known = self._groups.get(group)
        if known is None and not any(_group_of(one) == group for one in _all(alb._listeners) if _carried(one)):
            return None
        states = dict.fromkeys(_registered(_of(alb._tgs, group) or {}), "initial")
        if known is not None:
            states.update((place, target.state) for place, target in list(known.targets.items()))
        return states

    def drain(self, group: str, place: tuple[str, int]) -> None:
        """Returns once a target that was deregistered has nothing in hand, or its time is over."""
        self._call(self._drain(group, place))

    async def _drain(self, arn: str, place: tuple[str, int]) -> None:
        await self._look()
        if (group := self._groups.get(arn)) is not None:
            await targets.gone(group, place)

    def _call(self, work: Coroutine) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _run(self) -> None:
        failing = False
        while True:
            try:
                await self._look()
                failing = False
            except Exception:
                if not failing:  # the same again twenty times a second tells nothing more
                    logger.exception("Load balancers could not be looked at")
                failing = True
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        balancers = {balancer["LoadBalancerArn"]: balancer for balancer in _all(alb._lbs)}
        # MiniStack keeps the listeners of load balancers that were deleted.
        here = [listener for listener in _all(alb._listeners) if listener["LoadBalancerArn"] in balancers]
        wanted = {listener["ListenerArn"]: listener for listener in here if _carried(listener)}
        used = {_group_of(listener) for listener in wanted.values()}
        for group in _all(alb._tgs):
            if group["TargetGroupArn"] in used:
                self._keep_group(group)
        for arn in self._groups.keys() - used:
            self._groups.pop(arn).end()
        for arn, listener in wanted.items():
            if _group_of(listener) in self._groups:
                await self._keep_listener(arn, listener, balancers[listener["LoadBalancerArn"]])
        for arn in self._listeners.keys() - wanted.keys():
            self._listeners.pop(arn)[1].close()

    def _keep_group(self, record: dict) -> None:
        arn = record["TargetGroupArn"]
        group = self._groups.get(arn)
        if group is None:
            group = self._groups[arn] = targets.Group(_checks(record))
        group.delay_seconds = float(_attribute(alb._tg_attrs, arn, "deregistration_delay.timeout_seconds", "300"))
        group.register(_registered(record))

    async def _keep_listener(self, arn: str, record: dict, balancer: dict) -> None:
        owner = balancer["LoadBalancerArn"]
        drops = _attribute(alb._lb_attrs, owner, "routing.http.drop_invalid_header_fields.enabled", "false")
        listener = exchange.Listener(
            port=int(record["Port"]),
            group=self._groups[_group_of(record)],
            idle_seconds=float(_attribute(alb._lb_attrs, owner, "idle_timeout.timeout_seconds", "60")),
            drops_invalid_fields=drops == "true",
        )
        known = self._listeners.get(arn)
        if known is not None and known[0] == listener:
            return
        if known is not None:
            known[1].close()
            del self._listeners[arn]
        place = address(self._cloud_port, balancer["LoadBalancerName"]), local_port(listener.port)
        try:
            server = await asyncio.start_server(
                lambda reader, writer: exchange.serve(listener, reader, writer), *place, limit=wire.HEAD_BYTES
            )
        except OSError as error:
            if arn not in self._failed:
                self._failed.add(arn)
                logger.error("%s can't listen on %s:%s: %s", arn, *place, error)
            return
        self._listeners[arn] = listener, server
        logger.info("%s listens on %s:%s", arn, *place)


def _all(store: Any) -> list[dict]:
    """The records of all accounts and regions."""
    return list(store._data.values())


def _of(store: Any, arn: str) -> Any:
    return next((value for key, value in list(store._data.items()) if key[-1] == arn), None)


def _registered(group: dict) -> set[tuple[str, int]]:
    port = int(group.get("Port") or 80)
    registered = _of(alb._targets, group.get("TargetGroupArn", "")) or []
    return {(str(one["Id"]), int(one.get("Port") or port)) for one in registered}


def _attribute(store: Any, arn: str, key: str, default: str) -> str:
    return next((one["Value"] for one in _of(store, arn) or [] if one.get("Key") == key), default)


def _carried(listener: dict) -> bool:
    """Whether all that comes goes to one target group by address, over plain HTTP."""
    arn, actions = listener["ListenerArn"], listener.get("DefaultActions") or []
    plain = listener.get("Protocol") == "HTTP" and [action.get("Type") for action in actions] == ["forward"]
    if not plain or any(rule["ListenerArn"] == arn and not rule.get("IsDefault") for rule in _all(alb._rules)):
        return False
    group = _of(alb._tgs, _group_of(listener))
    return group is not None and group.get("TargetType") == "ip"


def _group_of(listener: dict) -> str:
    return listener["DefaultActions"][0].get("TargetGroupArn", "")


def _checks(record: dict) -> targets.Checks:
    return targets.Checks(
        path=record.get("HealthCheckPath") or "/",
        codes=targets.codes((record.get("Matcher") or {}).get("HttpCode") or "200"),
        interval_seconds=float(record.get("HealthCheckIntervalSeconds") or 30),
        timeout_seconds=float(record.get("HealthCheckTimeoutSeconds") or 5),
        healthy_threshold=int(record.get("HealthyThresholdCount") or 5),
        unhealthy_threshold=int(record.get("UnhealthyThresholdCount") or 2),
    )
