"""The load balancer by itself, without a cloud: one target, one listener, bytes on the wire."""

from __future__ import annotations

import asyncio
import hashlib
import unittest
from collections.abc import Awaitable, Callable
from typing import Any

import support  # noqa: F401  (it makes `cloud` importable)

from cloud.balancer import exchange, targets, wire

CHECKS = targets.Checks("/check", frozenset({200}), 0.05, 1.0, 2, 2)
MIB = 1 << 20
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, wire.Head], Awaitable[None]]


async def answer(writer: asyncio.StreamWriter, text: bytes = b"ok", status: str = "200 OK", *fields: str) -> None:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", *fields]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + text)
    await writer.drain()


class Balancer(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        # Python 3.11 complains of connections that are still served when the test ends.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        self.heads: list[wire.Head] = []
        self.handler: Handler = lambda reader, writer, head: answer(writer)
        self.well = True
        self.group = targets.Group(CHECKS)
        self.addCleanup(self.group.end)
        self.target = await self.server(self.serve)
        self.group.register({self.target})
        await self.becomes("healthy")
        self.listener = await self.listen()

    async def server(self, callback: Any) -> tuple[str, int]:
        server = await asyncio.start_server(callback, "127.0.0.1", 0, limit=wire.HEAD_BYTES)
        self.addCleanup(server.close)
        return server.sockets[0].getsockname()

    async def listen(self, idle_seconds: float = 5, group: targets.Group | None = None) -> tuple[str, int]:
        listener = exchange.Listener(80, group or self.group, idle_seconds, drops_invalid_fields=True)
        return await self.server(lambda reader, writer: exchange.serve(listener, reader, writer))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await wire.read_head(reader)
        if head is not None and head.first.startswith("GET /check "):
            await answer(writer, status="200 OK" if self.well else "503 Unavailable")
        elif head is not None:
            self.heads.append(head)
            await self.handler(reader, writer, head)
        writer.close()

    async def becomes(self, state: str, place: tuple[str, int] | None = None) -> None:
        async with asyncio.timeout(5):
            while self.group.targets[place or self.target].state != state:
                await asyncio.sleep(0.01)

    async def send(self, request: bytes, listener: tuple[str, int] | None = None) -> tuple[int, bytes]:
        """The status of the first answer, and all that came."""
        reader, writer = await asyncio.open_connection(*(listener or self.listener))
        writer.write(request)
        async with asyncio.timeout(10):
            text = await reader.read()
        writer.close()
        return int(text.split(b" ", 2)[1]), text

    @staticmethod
    def request(*fields: str, first: str = "POST /path?a=b%20c HTTP/1.1", body: bytes = b"") -> bytes:
        return "\r\n".join([first, "Host: api", *fields, "Connection: close"]).encode() + b"\r\n\r\n" + body

    async def test_a_request_reaches_the_target_as_it_is_and_says_who_sent_it(self) -> None:
        sent = self.request("X-Forwarded-For: 1.2.3.4", "File-Name: a", "file-name: b", "Bad_Name: c", "Content-Length: 0")
        status, text = await self.send(sent)
        (head,) = self.heads
        self.assertEqual((status, head.first), (200, "POST /path?a=b%20c HTTP/1.1"))
        self.assertEqual(head.all("x-forwarded-for"), ["1.2.3.4, 127.0.0.1"])
        self.assertEqual((head.all("file-name"), head.all("bad_name")), (["a", "b"], []))
        self.assertEqual((head.one("x-forwarded-proto"), head.one("x-forwarded-port")), ("http", "80"))
        self.assertTrue(text.endswith(b"\r\n\r\nok"))

    async def test_a_connection_takes_one_request_after_another(self) -> None:
        reader, writer = await asyncio.open_connection(*self.listener)
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 5\r\n\r\nhello")
            head = await wire.read_head(reader)
            self.assertEqual(head.first, "HTTP/1.1 200 OK")
            self.assertEqual(await reader.readexactly(2), b"ok")
        writer.close()
        self.assertEqual(len(self.heads), 3)

    async def test_a_large_body_passes_both_ways_unchanged_and_is_never_held(self) -> None:
        size, held = 64 * MIB, []

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: wire.Head) -> None:
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            left = size
            while left:
                piece = await reader.read(wire.PIECE_BYTES)
                left -= len(piece)
                held.append(sent - (size - left))
                writer.write(piece)
                await writer.drain()

        self.handler, sent = echo, 0
        reader, writer = await asyncio.open_connection(*self.listener)
        writer.write(self.request(f"Content-Length: {size}"))

        async def upload() -> bytes:
            nonlocal sent
            digest = hashlib.sha256()
            for number in range(size // MIB):
                piece = hashlib.sha256(str(number).encode()).digest() * (MIB // 32)
                digest.update(piece)
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
            return digest.digest()

        uploading = asyncio.ensure_future(upload())
        await wire.read_head(reader)
        digest = hashlib.sha256()
        while piece := await reader.read(MIB):
            digest.update(piece)
        self.assertEqual(digest.digest(), await uploading)
        # buffers of four sockets and their readers
        self.assertLess(max(held), 24 * MIB)

    async def test_chunks_pass_with_the_target_s_framing_kept(self) -> None:
        bodies: list[bytes] = []

        async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: wire.Head) -> None:
            bodies.append(await reader.readuntil(b"0\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")

        self.handler = keep
        body = b"5;ext=1\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
        _, text = await self.send(self.request("Transfer-Encoding: chunked", body=body))
        self.assertEqual(bodies, [b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"])
        self.assertTrue(text.endswith(b"2\r\nok\r\n0\r\n\r\n"))

    async def test_an_early_answer_reaches_a_client_that_still_sends(self) -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: wire.Head) -> None:
            await answer(writer, b"too large", "413 Content Too Large")
            while await reader.read(wire.PIECE_BYTES):
                pass  # as a server that wants its answer to be read

        self.handler = refuse
        reader, writer = await asyncio.open_connection(*self.listener)
        writer.write(self.request(f"Content-Length: {16 * MIB}"))
        for _ in range(16):  # all of it, and only then does this client look
            writer.write(bytes(MIB))
            await writer.drain()
        self.assertIn(b"413 Content Too Large", await reader.readline())
        writer.close()

    async def test_who_expects_a_word_before_he_sends_gets_it(self) -> None:
        reader, writer = await asyncio.open_connection(*self.listener)
        writer.write(self.request("Expect: 100-continue", "Content-Length: 5"))
        self.assertEqual(await reader.readuntil(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.write(b"hello")
        self.assertEqual(await reader.readline(), b"HTTP/1.1 200 OK\r\n")
        self.assertIsNone(self.heads[0].one("expect"))
        writer.close()

    async def test_what_can_be_read_in_two_ways_is_refused_and_reaches_nobody(self) -> None:
        for fields in (
            ("Content-Length: 5", "Transfer-Encoding: chunked"),
            ("Content-Length: 5", "Content-Length: 6"),
            ("Content-Length: +5",),
            ("Transfer-Encoding: gzip, chunked",),
            ("Name : value",),
            ("A: b", " folded"),
            ("no colon",),
        ):
            status, _ = await self.send(self.request(*fields, body=b"hello"))
            self.assertEqual(status, 400, fields)
        for request in (b"POST /\r\n\r\n", b"POST / HTTP/2.0\r\n\r\n", b"G" * 70_000):
            self.assertEqual((await self.send(request))[0], 400)
        self.assertEqual(self.heads, [])
        status, _ = await self.send(self.request("Transfer-Encoding: chunked", body=b"zz\r\nhello\r\n0\r\n\r\n"))
        self.assertEqual(status, 400)

    async def test_targets_that_are_not_there_or_say_nothing_have_their_statuses(self) -> None:
        request = self.request("Content-Length: 0")
        empty = targets.Group(CHECKS)
        self.assertEqual((await self.send(request, await self.listen(group=empty)))[0], 503)
        dead = targets.Group(CHECKS)
        self.addCleanup(dead.end)
        dead.register({("127.0.0.1", support.free_port())})
        self.assertEqual((await self.send(request, await self.listen(group=dead)))[0], 502)

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: wire.Head) -> None:
            return None

        self.handler = hang_up
        self.assertEqual((await self.send(request))[0], 502)
        self.handler = lambda reader, writer, head: asyncio.sleep(60)
        self.assertEqual((await self.send(request, await self.listen(idle_seconds=0.3)))[0], 504)

    async def test_an_answer_that_is_cut_short_is_cut_short_for_the_client(self) -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: wire.Head) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

        self.handler = cut
        _, text = await self.send(self.request("Content-Length: 0"))
        self.assertTrue(text.endswith(b"half"))
        self.assertNotIn(b"502", text)

    async def test_only_healthy_targets_get_requests_as_long_as_there_are_any(self) -> None:
        async def ailing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await wire.read_head(reader)
            await answer(writer, b"ailing", "503 Unavailable")
            writer.close()

        other = await self.server(ailing)
        self.group.register({self.target, other})
        for _ in range(6):
            self.assertEqual((await self.send(self.request("Content-Length: 0")))[0], 200)
        self.well = False
        await self.becomes("unhealthy")
        statuses = [(await self.send(self.request("Content-Length: 0")))[0] for _ in range(4)]
        self.assertEqual(sorted(statuses), [200, 200, 503, 503], "with none healthy, all are tried")
        self.well = True
        await self.becomes("healthy")

    async def test_a_target_that_is_taken_out_keeps_what_it_has_and_gets_no_more(self) -> None:
        go = asyncio.Event()

        async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: wire.Head) -> None:
            await go.wait()
            await answer(writer)

        self.handler = slowly
        running = asyncio.ensure_future(self.send(self.request("Content-Length: 0")))
        while not self.heads:
            await asyncio.sleep(0.01)
        self.group.register(set())
        self.assertEqual(self.group.targets[self.target].state, "draining")
        self.assertEqual((await self.send(self.request("Content-Length: 0")))[0], 503)
        gone = asyncio.ensure_future(targets.gone(self.group, self.target))
        await asyncio.sleep(0.1)
        self.assertFalse(gone.done())
        go.set()
        self.assertEqual((await running)[0], 200)
        async with asyncio.timeout(5):
            await gone
        self.assertEqual(self.group.targets, {})

    async def test_what_takes_longer_than_the_delay_is_cut_off(self) -> None:
        self.group.delay_seconds = 0.2
        self.handler = lambda reader, writer, head: asyncio.sleep(60)
        running = asyncio.ensure_future(self.send(self.request("Content-Length: 0")))
        while not self.heads:
            await asyncio.sleep(0.01)
        self.group.register(set())
        async with asyncio.timeout(5):
            await targets.gone(self.group, self.target)
            self.assertEqual((await running)[0], 502)

    def test_health_codes_are_numbers_lists_and_ranges(self) -> None:
        self.assertEqual(targets.codes("200"), {200})
        self.assertEqual(targets.codes("200, 202,300-302"), {200, 202, 300, 301, 302})


if __name__ == "__main__":
    unittest.main()
