"""One client's connection: each request goes to a target, its answer comes back, both as they come."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass

from cloud.balancer import wire
from cloud.balancer.targets import Group, Target
from cloud.balancer.wire import Body, Ended, Head, Malformed

# AWS's.
_CONNECT_SECONDS = 10.0
# For a client that still sends after its answer: whoever is closed upon while he sends may not see it.
_LINGER_SECONDS = 5.0
# Of one connection; what stands behind `Upgrade` is not spoken here.
_HOP_BY_HOP = ("connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect")


@dataclass(frozen=True)
class Listener:
    """As MiniStack has it."""

    port: int
    group: Group
    idle_seconds: float
    drops_invalid_fields: bool


class Refused(Exception):
    """The load balancer answers by itself."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status, self.reason = status, reason


class Idle:
    """How long nothing has passed over a pair of connections."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last = seconds, time.monotonic()

    def moved(self) -> None:
        self._last = time.monotonic()

    async def over(self) -> None:
        while (left := self._last + self._seconds - time.monotonic()) > 0:
            await asyncio.sleep(left)


async def serve(listener: Listener, reader: StreamReader, writer: StreamWriter) -> None:
    """All requests of one connection."""
    client = Client(listener, reader, writer)
    try:
        while await client.request():
            pass
    except (ConnectionError, Ended, TimeoutError):
        pass  # the client has gone, or his time is over
    finally:
        writer.close()


class Client:
    def __init__(self, listener: Listener, reader: StreamReader, writer: StreamWriter) -> None:
        self.listener, self.reader, self.writer = listener, reader, writer
        self.address = writer.get_extra_info("peername")[0]
        # Whether an answer has begun: then it is too late for another.
        self.answered = False

    async def request(self) -> bool:
        """The next one. False if none can follow."""
        self.answered = False
        try:
            async with asyncio.timeout(self.listener.idle_seconds):
                head = await wire.read_head(self.reader)
            if head is None:
                return False
            body = wire.body_of_request(head)
            if head.first.count(" ") != 2 or not head.first.endswith(("HTTP/1.1", "HTTP/1.0")):
                raise Malformed("the first line is none")
            return await self.forward(head, body)
        except Malformed:
            await self.refuse(Refused(400, "Bad Request"))
        except Refused as refused:
            await self.refuse(refused)
        return False

    async def refuse(self, refused: Refused) -> None:
        if self.answered:
            return  # cut off: that is how he knows
        text = f"{refused.status} {refused.reason}".encode()
        fields = [("Server", "awselb/2.0"), ("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
        await wire.write_head(self.writer, f"HTTP/1.1 {text.decode()}", [*fields, ("Connection", "close")])
        self.writer.write(text)
        await self.writer.drain()
        await self.linger()

    async def linger(self) -> None:
        """Reads on for a while, and throws it away."""
        if self.writer.can_write_eof():
            self.writer.write_eof()
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self.reader.read(wire.PIECE_BYTES):
                    pass

    async def forward(self, head: Head, body: Body) -> bool:
        target = self.listener.group.choose()
        if target is None:
            raise Refused(503, "Service Temporarily Unavailable")
        target.take()
        try:
            return await self.forward_to(target, head, body)
        finally:
            target.give_back()

    async def forward_to(self, target: Target, head: Head, body: Body) -> bool:
        there = await self.connect(target)
        idle = Idle(self.listener.idle_seconds)
        work = asyncio.ensure_future(self.carry(there, head, body, idle))
        ends = {asyncio.ensure_future(idle.over()): 504, asyncio.ensure_future(target.cut_off.wait()): 502}
        try:
            done, _ = await asyncio.wait({work, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if work in done:
                return work.result()
            status = ends[done.pop()]
            raise Refused(status, "Gateway Time-out" if status == 504 else "Bad Gateway")
        finally:
            for task in (work, *ends):
                task.cancel()
            there[1].close()

    async def connect(self, target: Target) -> tuple[StreamReader, StreamWriter]:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await asyncio.open_connection(target.address, target.port, limit=wire.HEAD_BYTES)
        except TimeoutError:
            raise Refused(504, "Gateway Time-out") from None
        except OSError:
            raise Refused(502, "Bad Gateway") from None

    async def carry(
        self, there: tuple[StreamReader, StreamWriter], head: Head, body: Body, idle: Idle
    ) -> bool:
        reader, writer = there
        try:
            await wire.write_head(writer, head.first, self.fields(head))
            if head.one("expect") is not None and not body.is_empty:
                self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        except ConnectionError:
            raise Refused(502, "Bad Gateway") from None
        sending = asyncio.ensure_future(self.send(body, writer, idle))
        try:
            closes = await self.answer(head, reader, idle, sending)
            if not sending.done():
                # Answered before the body was at its end. Whoever it goes to says how much more of it he takes.
                await asyncio.wait({sending}, timeout=_LINGER_SECONDS)
                await self.linger()
                return False
            return not closes and sending.exception() is None
        finally:
            sending.cancel()

    async def send(self, body: Body, writer: StreamWriter, idle: Idle) -> None:
        """The body. A target that takes no more of it has an answer, or is gone: whoever reads from it finds out."""
        await wire.pass_on(body, self.reader, _Sink(writer), idle.moved)

    async def answer(self, head: Head, reader: StreamReader, idle: Idle, sending: asyncio.Task) -> bool:
        """Passes the answer on. Whether the connection ends with it."""
        method = head.first.split(" ", 1)[0]
        reading = asyncio.ensure_future(self.first_head(reader))
        try:
            await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() and sending.exception() is not None:
                raise sending.exception()  # the client has gone, or sends what is no body
            answer, status = await reading
        finally:
            reading.cancel()
        body = wire.body_of_answer(answer, status, method)
        closes = head.closes() or (body.length is None and not body.chunked) or not sending.done()
        fields = answer.without("connection", "keep-alive")
        self.answered = True
        await wire.write_head(self.writer, answer.first, [*fields, *([("Connection", "close")] if closes else [])])
        idle.moved()
        await wire.pass_on(body, reader, self.writer, idle.moved)
        return closes

    async def first_head(self, reader: StreamReader) -> tuple[Head, int]:
        try:
            while True:
                head = await wire.read_head(reader)
                if head is None:
                    raise Refused(502, "Bad Gateway")
                status = int(head.first.split(" ")[1])
                if status >= 200:
                    return head, status
        except (Malformed, Ended, ValueError, IndexError, ConnectionError):
            raise Refused(502, "Bad Gateway") from None

    def fields(self, head: Head) -> list[tuple[str, str]]:
        """What the target gets: the client's fields but those of his connection, and who he is."""
        fields = head.without(*_HOP_BY_HOP, "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id")
        if self.listener.drops_invalid_fields:
            fields = wire.plain(fields)
        forwarded = ", ".join([*head.all("x-forwarded-for"), self.address])
        trace = head.one("x-amzn-trace-id") or f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
        return [
            *fields,
            ("X-Forwarded-For", forwarded),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Port", str(self.listener.port)),
            ("X-Amzn-Trace-Id", trace),
            ("Connection", "close"),
        ]


class _Sink:
    """Writes to a target as long as it takes anything; then the client's bytes are thrown away, so that he sees the answer."""

    def __init__(self, writer: StreamWriter) -> None:
        self._writer, self._is_lost = writer, False

    def write(self, piece: bytes) -> None:
        if not self._is_lost:
            self._writer.write(piece)

    async def drain(self) -> None:
        if not self._is_lost:
            try:
                await self._writer.drain()
            except ConnectionError:
                self._is_lost = True
