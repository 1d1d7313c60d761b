"""A target group: who is in it, and who gets requests.

A target is `initial` until it passes one check, then `healthy` or `unhealthy` by the group's thresholds. One that is no longer
registered is `draining`: it gets no new requests, and keeps those that it has until the group's deregistration delay is over.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from cloud.balancer import wire

# AWS waits a whole interval between the checks of a new target, too. Here a task is ready in a second, and people wait for it.
_INITIAL_SECONDS = 0.25


@dataclass(frozen=True)
class Checks:
    """As the target group has them."""

    path: str
    codes: frozenset[int]
    interval_seconds: float
    timeout_seconds: float
    healthy_threshold: int
    unhealthy_threshold: int


@dataclass(eq=False)
class Target:
    address: str
    port: int
    state: str = "initial"
    in_flight: int = 0
    # Of checks that said something else than the state does, in a row.
    contrary: int = 0
    cut_off: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    checking: asyncio.Task | None = None
    draining: asyncio.Task | None = None

    def __post_init__(self) -> None:
        self.idle.set()

    def take(self) -> None:
        self.in_flight += 1
        self.idle.clear()

    def give_back(self) -> None:
        self.in_flight -= 1
        if self.in_flight == 0:
            self.idle.set()


class Group:
    """Only the balancers' own loop changes it."""

    def __init__(self, checks: Checks) -> None:
        self.checks, self.delay_seconds = checks, 300.0
        self.targets: dict[tuple[str, int], Target] = {}
        self._turn = 0

    def register(self, places: set[tuple[str, int]]) -> None:
        """These, and no others."""
        for place in places:
            target = self.targets.get(place)
            if target is None or target.state == "draining":
                self.targets[place] = target = Target(*place)
                target.checking = asyncio.ensure_future(self._check(target))
        for place, target in self.targets.items():
            if place not in places and target.state != "draining":
                target.state = "draining"
                target.checking.cancel()
                target.draining = asyncio.ensure_future(self._drain(place, target))

    def choose(self) -> Target | None:
        """In turn, of those that are healthy; if none is, of all."""
        registered = [target for target in self.targets.values() if target.state != "draining"]
        candidates = [target for target in registered if target.state == "healthy"] or registered
        if not candidates:
            return None
        self._turn += 1
        return candidates[self._turn % len(candidates)]

    def end(self) -> None:
        for target in self.targets.values():
            target.cut_off.set()
            for task in (target.checking, target.draining):
                if task is not None:
                    task.cancel()

    async def _drain(self, place: tuple[str, int], target: Target) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.delay_seconds):
                await target.idle.wait()
        target.cut_off.set()
        await target.idle.wait()
        if self.targets.get(place) is target:
            del self.targets[place]

    async def _check(self, target: Target) -> None:
        while True:
            passed = await self._passes(target)
            if target.state == "initial":
                target.state = "healthy" if passed else "initial"
            elif passed == (target.state == "healthy"):
                target.contrary = 0
            else:
                target.contrary += 1
                threshold = self.checks.healthy_threshold if passed else self.checks.unhealthy_threshold
                if target.contrary >= threshold:
                    target.state, target.contrary = ("healthy" if passed else "unhealthy"), 0
            await asyncio.sleep(_INITIAL_SECONDS if target.state == "initial" else self.checks.interval_seconds)

    async def _passes(self, target: Target) -> bool:
        try:
            # Not wait_for: of Python 3.11 it can swallow its own cancellation.
            async with asyncio.timeout(self.checks.timeout_seconds):
                return await self._ask(target) in self.checks.codes
        except (OSError, TimeoutError, wire.Malformed, wire.Ended, ValueError, IndexError):
            return False

    async def _ask(self, target: Target) -> int | None:
        reader, writer = await asyncio.open_connection(target.address, target.port, limit=wire.HEAD_BYTES)
        try:
            fields = [("Host", f"{target.address}:{target.port}"), ("User-Agent", "ELB-HealthChecker/2.0")]
            await wire.write_head(writer, f"GET {self.checks.path} HTTP/1.1", [*fields, ("Connection", "close")])
            head = await wire.read_head(reader)
            return None if head is None else int(head.first.split(" ")[1])
        finally:
            writer.close()


async def gone(group: Group, place: tuple[str, int]) -> None:
    """Until a target that is no longer registered has nothing in hand, or its time is over."""
    target = group.targets.get(place)
    if target is not None and target.draining is not None:
        await asyncio.wait({target.draining})


def codes(matcher: str) -> frozenset[int]:
    """Of `200`, `200,202` or `200-299`."""
    found: set[int] = set()
    for part in matcher.split(","):
        first, _, last = part.strip().partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)

