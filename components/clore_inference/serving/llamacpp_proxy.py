"""Start llama-server behind the guard: `python3 -m clore_llamacpp llama-server <its flags>`.

llama-server is no Python and takes no middleware, so a small HTTP/1.1 server of the standard
library runs the same guard in front of it and hands on what the guard lets through. llama-server
must listen on the loopback; the guarded door listens where `CLORE_INFERENCE_LISTEN` says
(`host:port`). Both end together: a dead engine ends this process in the way in which it died, and a
SIGTERM lets the requests in flight finish first. Python 3.9 or newer, nothing else installed.
"""

# ruff: noqa: UP007, UP041, UP045 - Python 3.9 runs this
from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, NamedTuple, Optional, Union
from urllib.parse import unquote

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

LISTEN_VARIABLE = "CLORE_INFERENCE_LISTEN"
DEFAULT_LISTEN = "127.0.0.1:8000"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
NOT_FOUND = 127  # as a shell ends that does not find a program

HEAD_LIMIT_BYTES = 32 * 1024
MOST_HEADERS = 64
HEAD_TIMEOUT_S = 30.0
"""For one whole head; also how long an idle connection is kept."""
WRITE_TIMEOUT_S = 60.0
"""A client that takes nothing for so long is treated as gone."""
MOST_CONNECTIONS = 256
AHEAD_LIMIT_BYTES = 64 * 1024
"""Bytes of next requests that are kept while one is answered; beyond, the client counts as gone."""
PIECE_BYTES = 64 * 1024
PASSED_HEADERS = (b"content-type", b"content-length", b"cache-control")

_REQUEST = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.([01])")
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


class Forward:
    """The innermost application: hands a request on to the engine, on a connection of its own.

    When the client goes, that connection is closed, which is how llama-server learns of it.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._host, self._port = host, port

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; a broken engine is 503 before the answer has begun."""
        body = await whole_body(receive)
        if body is None:
            return
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            await _unavailable(send)
            return
        work = asyncio.ensure_future(self._exchange(scope, body, Source(reader), writer, send))
        client = asyncio.ensure_future(until_gone(receive))
        try:
            await asyncio.wait({work, client}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, client):
                task.cancel()
            await asyncio.gather(work, client, return_exceptions=True)
            writer.transport.abort()

    async def _exchange(
        self,
        scope: Message,
        body: bytes,
        reader: Source,
        writer: asyncio.StreamWriter,
        send: Send,
    ) -> None:
        start = b"%b %b HTTP/1.1\r\n" % (scope["method"].encode(), scope["path"].encode("ascii"))
        headers = [*scope["headers"], (b"connection", b"close")]
        writer.write(start + b"".join(b"%b: %b\r\n" % one for one in headers) + b"\r\n" + body)
        try:
            await writer.drain()
            head = parse_head(await reader.until(b"\r\n\r\n"))
            status = status_of(head)
            known = {b"content-length", b"transfer-encoding"} & {name for name, _ in head.headers}
            pieces: Union[Body, ToTheEnd] = ToTheEnd(reader)
            if known:
                pieces = Body(reader, body_length(head))
        except (OSError, Malformed):
            await _unavailable(send)
            return
        passed = [pair for pair in head.headers if pair[0] in PASSED_HEADERS]
        await send({"type": "http.response.start", "status": status, "headers": passed})
        more = True
        while more:
            piece = await pieces.piece()
            more = not pieces.done
            await send({"type": "http.response.body", "body": piece, "more_body": more})


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


async def whole_body(receive: Receive) -> Optional[bytes]:
    """Return the request's body; None when the client has gone."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


async def until_gone(receive: Receive) -> None:
    """Return when the client has gone, or its time is over."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unavailable(send: Send) -> None:
    body = b'{"error":{"message":"The engine does not answer.","type":"unavailable_error"}}'
    headers = [(b"content-type", b"application/json"), (b"x-should-retry", b"false")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


# The two processes.


def last_value(argv: Sequence[str], flag: str) -> str:
    """Return the value of a flag that counts, which is its last; empty when it is absent."""
    found = [argv[at + 1] for at in range(len(argv) - 1) if argv[at] == flag]
    return found[-1] if found else ""


def refusal(argv: Sequence[str]) -> str:
    """Why this line of llama-server would not be guarded; empty if it would."""
    if last_value(argv, "--host") not in LOOPBACK:
        return "llama-server must listen on --host 127.0.0.1, or it is reached past the guard"
    if not last_value(argv, "--port").isdigit():
        return "llama-server must be given its --port, which the guard hands requests on to"
    return ""


async def serve(app: App, listen: str, argv: Sequence[str]) -> int:
    """Run the engine and the door in front of it; return the code with which the engine ended.

    A negative code is a signal's number; 0 after a SIGTERM.
    """
    host, _, port = listen.rpartition(":")
    door = Door(app)
    await door.open(host, int(port))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL)
    ended = asyncio.ensure_future(engine.wait())
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if ended.done():
        return ended.result()
    finishing = asyncio.ensure_future(door.end())
    await asyncio.wait({ended, finishing}, return_when=asyncio.FIRST_COMPLETED)
    with contextlib.suppress(ProcessLookupError):
        engine.terminate()
    await ended
    return 0


def main(argv: Sequence[str]) -> int:
    """Serve; returns, or dies of the same signal, as the engine did."""
    refused = refusal(argv)
    if refused:
        sys.exit(f"clore_llamacpp: {refused}. The engine was not started.")
    guard = importlib.import_module("clore_guard").Guard(Forward(int(last_value(argv, "--port"))))
    listen = os.environ.get(LISTEN_VARIABLE) or DEFAULT_LISTEN
    try:
        code = asyncio.run(serve(guard, listen, argv))
    except FileNotFoundError:
        print(f"clore_llamacpp: there is no {argv[0]} on this host", file=sys.stderr)
        return NOT_FOUND
    if code < 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
