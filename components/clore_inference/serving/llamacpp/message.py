"""HTTP/1.1 as bytes: heads, bodies with a length or in chunks; nothing else is read."""

# ruff: noqa: UP045 - Python 3.9 runs this
from __future__ import annotations

import asyncio
import re
from typing import NamedTuple, Optional

Headers = list[tuple[bytes, bytes]]

HEAD_LIMIT_BYTES = 32 * 1024
MOST_HEADERS = 64
AHEAD_LIMIT_BYTES = 64 * 1024
"""Bytes of next requests that are kept while one is answered; beyond, the client counts as gone."""
PIECE_BYTES = 64 * 1024

_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: .*)?")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?\r\n")


class Malformed(Exception):
    """Bytes that are not the HTTP/1.1 that we read."""


class Gone(ConnectionError):
    """The other side has gone."""


class Head(NamedTuple):
    """The first lines of a request or an answer."""

    start: bytes
    headers: Headers

    def value(self, name: bytes) -> bytes:
        """Return a header's value in lower case; empty when it is absent or stands twice."""
        found = [value.strip().lower() for one, value in self.headers if one == name]
        return found[0] if len(found) == 1 else b""


def parse_head(raw: bytes) -> Head:
    """Return the lines up to the blank one; raises Malformed."""
    first, *lines = raw[: -len(b"\r\n\r\n")].split(b"\r\n")
    if len(lines) > MOST_HEADERS:
        raise Malformed(f"more than {MOST_HEADERS} headers")
    matches = [_HEADER.fullmatch(line) for line in lines]
    headers = [(match[1].lower(), match[2].strip()) for match in matches if match]
    if len(headers) != len(lines):
        raise Malformed("a header is malformed")
    return Head(first, headers)


def status_of(head: Head) -> int:
    """Return the status in the first line of an answer; raises Malformed."""
    match = _STATUS.fullmatch(head.start)
    if match is None:
        raise Malformed("the status line is malformed")
    return int(match[1])


def body_length(head: Head) -> Optional[int]:
    """Return how many bytes follow; None when they come in chunks. Raises Malformed."""
    lengths = [value for name, value in head.headers if name == b"content-length"]
    codings = [value.lower() for name, value in head.headers if name == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise Malformed("the length of the body is given twice")
    if codings:
        if codings != [b"chunked"]:
            raise Malformed("the transfer encoding is unknown")
        return None
    if lengths and not re.fullmatch(rb"[0-9]{1,15}", lengths[0]):
        raise Malformed("the length of the body is no number")
    return int(lengths[0]) if lengths else 0


class Source:
    """Bytes as they come; what was read ahead is kept for whoever reads next."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._ahead = bytearray()

    async def until(self, mark: bytes) -> bytes:
        """Return everything up to and with `mark`; raises Gone or Malformed."""
        while mark not in self._ahead:
            if len(self._ahead) > HEAD_LIMIT_BYTES:
                raise Malformed("a line is too long")
            found = await self._reader.read(PIECE_BYTES)
            if not found:
                raise Gone("the other side has gone")
            self._ahead += found
        size = self._ahead.index(mark) + len(mark)
        if size > HEAD_LIMIT_BYTES:
            raise Malformed("a line is too long")
        return self._take(size)

    async def some(self, most: int) -> bytes:
        """Return what is there, at most so many bytes; empty at the end."""
        return self._take(most) if self._ahead else await self._reader.read(min(most, PIECE_BYTES))

    async def ended(self) -> None:
        """Return when the other side has gone, or sends ahead without end."""
        while len(self._ahead) <= AHEAD_LIMIT_BYTES:
            found = await self._reader.read(PIECE_BYTES)
            if not found:
                return
            self._ahead += found

    def _take(self, most: int) -> bytes:
        taken = bytes(self._ahead[:most])
        del self._ahead[:most]
        return taken


class Body:
    """The body behind a head, piece by piece; an empty piece is its end."""

    def __init__(self, reader: Source, length: Optional[int]) -> None:
        self._reader = reader
        self._chunked = length is None
        self._left = length or 0
        self._first = True
        self.done = length == 0

    async def piece(self) -> bytes:
        """Return what comes next; raises Gone or Malformed."""
        if self._chunked and not self._left and not self.done:
            await self._next_chunk()
        if self.done:
            return b""
        found = await self._reader.some(self._left)
        if not found:
            raise Gone("the body was cut")
        self._left -= len(found)
        self.done = not self._chunked and not self._left
        return found

    async def _next_chunk(self) -> None:
        if not self._first and await self._reader.until(b"\r\n") != b"\r\n":
            raise Malformed("a chunk is longer than its size")
        self._first = False
        size = _SIZE.fullmatch(await self._reader.until(b"\r\n"))
        if size is None:
            raise Malformed("the size of a chunk is no number")
        self._left = int(size[1], 16)
        if self._left:
            return
        if await self._reader.until(b"\r\n") != b"\r\n":
            raise Malformed("trailers are not taken")
        self.done = True


class ToTheEnd:
    """An answer without a length: it goes on until the engine closes the connection."""

    def __init__(self, reader: Source) -> None:
        self._reader = reader
        self.done = False

    async def piece(self) -> bytes:
        """Return what comes next; empty at the end."""
        found = await self._reader.some(PIECE_BYTES)
        self.done = not found
        return found
