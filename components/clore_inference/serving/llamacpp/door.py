"""A small HTTP/1.1 server in front of an ASGI application, as careful as a proxy has to be."""

# ruff: noqa: UP041, UP045 - Python 3.9 runs this
from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Optional
from urllib.parse import unquote

from .message import Body, Gone, Head, Malformed, Source, body_length, parse_head

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

HEAD_TIMEOUT_S = 30.0
"""For one whole head; also how long an idle connection is kept."""
WRITE_TIMEOUT_S = 60.0
"""A client that takes nothing for so long is treated as gone."""
MOST_CONNECTIONS = 256

_REQUEST = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.([01])")


class Exchange:
    """One request of a client, as an application sees it."""

    def __init__(self, head: Head, reader: Source, writer: asyncio.StreamWriter) -> None:
        match = _REQUEST.fullmatch(head.start)
        if match is None:
            raise Malformed("the request line is malformed")
        self._old = match[3] == b"0"
        self._method = match[1].decode()
        length = body_length(head)
        if length is None and self._old:
            raise Malformed("HTTP/1.0 has no chunks")
        if not self._old and sum(name == b"host" for name, _ in head.headers) != 1:
            raise Malformed("there must be one Host header")
        self._reader, self._writer = reader, writer
        self._body = Body(reader, length)
        self._told_end = False
        self._waiting: Optional[asyncio.Task[Any]] = None
        self._expects = head.value(b"expect") == b"100-continue" and not self._old
        self._chunked = False
        self._start: Optional[Message] = None
        self.started = self.finished = self.malformed = False
        self.closing = self._old or head.value(b"connection") == b"close"
        raw, _, query = match[2].partition(b"?")
        self.scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": f"1.{match[3].decode()}",
            "method": self._method,
            "scheme": "http",
            "path": unquote(raw.decode("ascii")),
            "raw_path": raw,
            "query_string": query,
            "headers": head.headers,
        }

    async def receive(self) -> Message:
        """Return the next piece of the body; behind it, the end of the client."""
        self._waiting = asyncio.current_task()
        try:
            if not self._told_end:
                return await self._next_piece()
            await self._reader.ended()
        except OSError:
            pass
        except Malformed:
            self.malformed = True
        finally:
            self._waiting = None
        self.closing = True
        return {"type": "http.disconnect"}

    async def settle(self) -> None:
        """End a read that the application left behind; the next request needs the reader."""
        left = self._waiting
        if left is not None:
            left.cancel()
            await asyncio.wait({left})

    async def _next_piece(self) -> Message:
        if self._expects and not self._body.done:
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._expects = False
        piece = await self._body.piece()
        self._told_end = self._body.done
        return {"type": "http.request", "body": piece, "more_body": not self._body.done}

    async def send(self, message: Message) -> None:
        """Write a part of the answer; raises Gone when nobody takes it."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is not None:
            self._writer.write(self._head(self._start))
            self._start = None
            self.started = True
        more = bool(message.get("more_body", False))
        if self._method != "HEAD":
            self._writer.write(self._framed(bytes(message.get("body", b"")), more=more))
        self.finished = not more
        try:
            await asyncio.wait_for(self._writer.drain(), WRITE_TIMEOUT_S)
        except (OSError, asyncio.TimeoutError):
            self.closing = True
            self._writer.transport.abort()
            raise Gone("the client takes nothing") from None

    def _head(self, message: Message) -> bytes:
        headers = dict(message.get("headers", ()))
        # What is left of a refused body would be read as the next request.
        asked = headers.pop(b"connection", b"") == b"close"
        self.closing = self.closing or asked or not self._body.done
        if b"content-length" not in headers:
            self._chunked = not self._old
            self.closing = self.closing or self._old
            if self._chunked:
                headers[b"transfer-encoding"] = b"chunked"
        headers[b"connection"] = b"close" if self.closing else b"keep-alive"
        lines = b"".join(b"%b: %b\r\n" % pair for pair in headers.items())
        return b"HTTP/1.1 %d \r\n%b\r\n" % (message["status"], lines)

    def _framed(self, body: bytes, *, more: bool) -> bytes:
        if not self._chunked:
            return body
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return chunk if more else chunk + b"0\r\n\r\n"


class Door:
    """Listens, and runs the application for every request."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._server: Optional[asyncio.AbstractServer] = None
        self._open: dict[asyncio.StreamWriter, bool] = {}
        """Connections; True while one is at work."""
        self._ending = False
        self._left = asyncio.Event()

    async def open(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError when it is taken."""
        self._server = await asyncio.start_server(self._connection, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def end(self) -> None:
        """Take no new request, and return when those in flight are answered."""
        self._ending = True
        if self._server is not None:
            self._server.close()
        for writer, busy in list(self._open.items()):
            if not busy:
                writer.close()
        while self._open:
            self._left.clear()
            await self._left.wait()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._open[writer] = False
        source = Source(reader)
        try:
            while await self._request(source, writer) and not self._ending:
                self._open[writer] = False
        except (OSError, asyncio.TimeoutError):
            pass
        except Malformed:
            writer.write(b"HTTP/1.1 400 \r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        finally:
            del self._open[writer]
            self._left.set()
            writer.close()

    async def _request(self, reader: Source, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection can take another."""
        raw = await asyncio.wait_for(reader.until(b"\r\n\r\n"), HEAD_TIMEOUT_S)
        self._open[writer] = True
        exchange = Exchange(parse_head(raw), reader, writer)
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
            if exchange.malformed and not exchange.started:
                raise Malformed("the body is malformed")
        except OSError:
            writer.transport.abort()
        finally:
            await exchange.settle()
        if not exchange.finished:
            writer.transport.abort()  # a cut answer must not look like a whole one
        return exchange.finished and not exchange.closing
