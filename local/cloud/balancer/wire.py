"""HTTP/1.1 on the wire: heads are read whole, within a limit; bodies are passed on in pieces and never held.

As strict as a load balancer in its mode `strictest`: what two readers might take differently is refused.
"""

from __future__ import annotations

import re
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass

# AWS: 16 KiB for a line, 64 KiB for all of a head.
HEAD_BYTES = 64 << 10
_LINE_BYTES = 16 << 10
# Read and written at once.
PIECE_BYTES = 256 << 10
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLAIN_NAME = re.compile(r"[-A-Za-z0-9]+")
_HEX = re.compile(rb"[0-9A-Fa-f]{1,16}")


class Malformed(Exception):
    """It is no HTTP, or might be two things."""


class Ended(Exception):
    """The other end has closed in the midst of something."""


@dataclass
class Head:
    """The first line, and the fields in their order and spelling."""

    first: str
    fields: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field.lower() == name]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        return values[-1] if values else None

    def without(self, *names: str) -> list[tuple[str, str]]:
        return [(field, value) for field, value in self.fields if field.lower() not in names]

    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        options = {option.strip().lower() for value in self.all("connection") for option in value.split(",")}
        return "close" in options or ("HTTP/1.0" in self.first and "keep-alive" not in options)


@dataclass(frozen=True)
class Body:
    """How long a body is: `length` bytes, or in chunks, or (neither) until the connection closes."""

    length: int | None = None
    chunked: bool = False

    @property
    def is_empty(self) -> bool:
        return self.length == 0 and not self.chunked


async def read_head(reader: StreamReader) -> Head | None:
    """None if the connection closes before its first byte."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except IncompleteReadError as error:
        if error.partial:
            raise Ended from None
        return None
    except LimitOverrunError:
        raise Malformed("the head is too large") from None
    except ConnectionError:
        return None
    first, *lines = text[:-4].split("\r\n")
    if len(text) > HEAD_BYTES or any(len(line) > _LINE_BYTES for line in (first, *lines)):
        raise Malformed("the head is too large")
    return Head(first, [_field(line) for line in lines])


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or any(letter in value for letter in "\r\n\0"):
        raise Malformed("a header field is none")
    return name, value.strip(" \t")


def plain(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without the fields whose names a load balancer that drops invalid ones drops."""
    return [(name, value) for name, value in fields if _PLAIN_NAME.fullmatch(name)]


def body_of_request(head: Head) -> Body:
    codings, lengths = head.all("transfer-encoding"), head.all("content-length")
    if codings:
        if lengths or [coding.strip().lower() for coding in codings] != ["chunked"]:
            raise Malformed("its length can be read in two ways")
        return Body(chunked=True)
    return Body(length=_length(lengths) if lengths else 0)


def body_of_answer(head: Head, status: int, method: str) -> Body:
    if method == "HEAD" or status in (204, 304) or status < 200:
        return Body(length=0)
    if head.one("transfer-encoding") is not None:
        return Body(chunked=True)
    lengths = head.all("content-length")
    return Body(length=_length(lengths) if lengths else None)


def _length(values: list[str]) -> int:
    if len(values) != 1 or not re.fullmatch(r"[0-9]{1,19}", values[0]):
        raise Malformed("its length is none")
    return int(values[0])


async def write_head(writer: StreamWriter, first: str, fields: list[tuple[str, str]]) -> None:
    lines = [first, *(f"{name}: {value}" for name, value in fields)]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    await writer.drain()


async def pass_on(body: Body, reader: StreamReader, writer: StreamWriter, moved: Callable[[], None]) -> None:
    """From one to the other, as it comes; `moved` is called with each piece."""
    if body.chunked:
        await _chunks(reader, writer, moved)
    elif body.length is None:
        while piece := await reader.read(PIECE_BYTES):
            await _put(writer, piece, moved)
    else:
        await _exactly(body.length, reader, writer, moved)


async def _exactly(length: int, reader: StreamReader, writer: StreamWriter, moved: Callable[[], None]) -> None:
    while length:
        piece = await reader.read(min(length, PIECE_BYTES))
        if not piece:
            raise Ended
        await _put(writer, piece, moved)
        length -= len(piece)


async def _chunks(reader: StreamReader, writer: StreamWriter, moved: Callable[[], None]) -> None:
    while True:
        line = await _line(reader)
        digits = line.partition(b";")[0].strip()
        if not _HEX.fullmatch(digits):
            raise Malformed("a chunk has no size")
        await _put(writer, digits + b"\r\n", moved)
        size = int(digits, 16)
        await _exactly(size, reader, writer, moved)
        if size == 0:
            break
        if await _line(reader):
            raise Malformed("a chunk does not end where it should")
        await _put(writer, b"\r\n", moved)
    while await _line(reader):
        pass  # trailers are nobody's here
    await _put(writer, b"\r\n", moved)


async def _line(reader: StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2]
    except IncompleteReadError:
        raise Ended from None
    except LimitOverrunError:
        raise Malformed("a line is too long") from None


async def _put(writer: StreamWriter, piece: bytes, moved: Callable[[], None]) -> None:
    writer.write(piece)
    await writer.drain()
    moved()
