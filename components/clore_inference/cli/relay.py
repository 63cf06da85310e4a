"""A local port that is the endpoint: adds the key to each request and passes every byte through.

One request per connection, bytes as they come: nothing is buffered, so streams stay streams, and a
client that leaves ends its generation. Only the head of a request is touched. The port is open to
every process of this machine, but not to web pages: a foreign Host header is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from clore_inference.secret import Secret

MAX_HEAD_BYTES: Final = 64 * 1024
"""As uvicorn's parser: a larger head would be refused at the other end."""
PIECE_BYTES: Final = 64 * 1024
CONNECT_TIMEOUT_S: Final = 15.0
LOCAL_NAMES: Final = (b"localhost", b"127.0.0.1", b"[::1]")
DROPPED: Final = (b"authorization", b"host", b"connection", b"keep-alive", b"proxy-authorization")


class HeadRefused(Exception):
    """A request that is not passed on; the text is for its sender."""


@dataclass(frozen=True)
class Upstream:
    """Where requests go."""

    host: str
    port: int
    tls: bool
    prefix: bytes
    key: Secret
    certificate: str = ""
    """PEM that TLS must show; empty: whatever the public authorities vouch for."""

    @classmethod
    def of(cls, base_url: str, key: Secret, certificate: str = "") -> Upstream:
        """Return the upstream of a checked address."""
        parts = urlsplit(base_url)
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        prefix = parts.path.rstrip("/").encode()
        return cls(parts.hostname or "", port, tls, prefix, key, certificate)

    @property
    def authority(self) -> bytes:
        """The value of the Host header."""
        standard = self.port == (443 if self.tls else 80)
        name = f"[{self.host}]" if ":" in self.host else self.host
        return (name if standard else f"{name}:{self.port}").encode()


def rewrite_head(head: bytes, upstream: Upstream) -> bytes:
    """Return a request's head (with its blank line) as the endpoint is to see it."""
    request_line, *rows = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    words = request_line.split(b" ")
    if len(words) != 3 or not words[1].startswith(b"/"):
        message = "This is not an HTTP/1.1 request for a path."
        raise HeadRefused(message)
    named = [(row.partition(b":")[0].strip().lower(), row) for row in rows]
    hosts = [row.partition(b":")[2].strip().lower() for name, row in named if name == b"host"]
    if len(hosts) != 1 or _without_port(hosts[0]) not in LOCAL_NAMES:
        message = "Only requests to localhost are passed on: a web page must not use your key."
        raise HeadRefused(message)
    kept = [row for name, row in named if name not in DROPPED]
    ours = [
        b"Host: " + upstream.authority,
        b"Authorization: Bearer " + upstream.key.reveal().encode(),
        b"Connection: close",
    ]
    line = b" ".join([words[0], upstream.prefix + words[1], words[2]])
    return b"\r\n".join([line, *ours, *kept]) + b"\r\n\r\n"


def _without_port(host: bytes) -> bytes:
    name, _, port = host.rpartition(b":")
    return name if name and port.isdigit() else host


def refusal(status: str, text: str, code: str) -> bytes:
    """Return a whole answer in the API's error shape."""
    error = {"message": text, "type": "invalid_request_error", "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


class Relay:
    """Serves one upstream on a port of 127.0.0.1."""

    def __init__(self, upstream: Upstream, say: Callable[[str], None]) -> None:
        self._upstream = upstream
        self._say = say
        pinned = upstream.certificate or None
        self._tls = ssl.create_default_context(cadata=pinned) if upstream.tls else None

    async def listen(self, port: int) -> asyncio.Server:
        """Start to serve; raises OSError when the port is taken. Port 0 takes a free one."""
        return await asyncio.start_server(self._serve, "127.0.0.1", port, limit=MAX_HEAD_BYTES)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self._exchange(reader, writer)
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            raw = await reader.readuntil(b"\r\n\r\n")
            head = rewrite_head(raw, self._upstream)
        except asyncio.IncompleteReadError:
            return
        except asyncio.LimitOverrunError:
            writer.write(refusal("431 Request Header Fields Too Large", "Too long.", "head"))
            return
        except HeadRefused as error:
            writer.write(refusal("403 Forbidden", str(error), "not_local"))
            return
        request = raw.partition(b"\r\n")[0].decode("ascii", "replace").rpartition(" ")[0]
        try:
            there, back = await self._connect()
        except (OSError, TimeoutError) as error:
            reason = type(error).__name__
            self._say(f"{_plain(request)}: the endpoint does not answer ({reason})")
            text = f"The endpoint does not answer ({reason})."
            writer.write(refusal("502 Bad Gateway", text, "unreachable"))
            return
        self._say(_plain(request))
        back.write(head)
        try:
            await _pass(reader, writer, there, back)
        finally:
            back.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opening = asyncio.open_connection(self._upstream.host, self._upstream.port, ssl=self._tls)
        return await asyncio.wait_for(opening, CONNECT_TIMEOUT_S)


async def _pass(
    client: asyncio.StreamReader,
    answer: asyncio.StreamWriter,
    upstream: asyncio.StreamReader,
    request: asyncio.StreamWriter,
) -> None:
    """Copy both ways until the answer has ended or the client has left."""
    copies = {
        asyncio.ensure_future(_copy(upstream, answer)),
        asyncio.ensure_future(_copy(client, request)),
    }
    done, left = await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for task in done:
        task.result()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(PIECE_BYTES):
        target.write(piece)
        await target.drain()


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:120]
