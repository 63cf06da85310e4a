"""What stands between a host's inside and the world: relays, the 502 page, the way to the hub."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_CHUNK_BYTES = 64 * 1024
_HEAD_LIMIT_BYTES = 64 * 1024
_HEAD_DEADLINE_S = 10.0

# The names of the fields follow Cloudflare's published error documents (RFC 9457 form); that
# the relay's 502 is JSON was recorded by renters, the fields themselves were not.
_BAD_GATEWAY = {
    "type": "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/"
    "cloudflare-5xx-errors/error-502/",
    "title": "Error 502: Bad gateway",
    "status": 502,
    "detail": "error code: 502",
    "error_code": 502,
    "error_name": "bad_gateway",
    "cloudflare_error": True,
    "retryable": True,
}
# Renters recorded the title of this page; its status was not recorded.
_PROXY_NOT_FOUND = (
    "<!DOCTYPE html><html><head><title>Proxy Not Found</title></head>"
    "<body><h1>Proxy Not Found</h1></body></html>"
)


@dataclass
class Throttle:
    """A link of so many bytes per second of real time, shared by all that passes it."""

    bytes_per_s: float | None = None
    _free_at: float = 0.0

    async def passed(self, size: int) -> None:
        """Wait until `size` bytes have gone through."""
        if self.bytes_per_s is None:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + size / self.bytes_per_s
        await asyncio.sleep(self._free_at - now)


def bad_gateway() -> bytes:
    """The answer of the public name while nothing listens behind it."""
    return _answer(
        "502 Bad Gateway", "application/problem+json; charset=utf-8", json.dumps(_BAD_GATEWAY)
    )


def proxy_not_found() -> bytes:
    """The answer of the public name while the relay does not know the order."""
    return _answer("404 Not Found", "text/html; charset=utf-8", _PROXY_NOT_FOUND)


def to_port(address: str, port: int) -> Connect:
    """Connect to a TCP port."""

    async def connect() -> Streams:
        return await asyncio.open_connection(address, port)

    return connect


def to_socket(path: str) -> Connect:
    """Connect to a Unix socket: those reach across network namespaces."""

    async def connect() -> Streams:
        return await asyncio.open_unix_connection(path)

    return connect


def tcp(connect: Connect, throttle: Throttle | None = None) -> Serve:
    """Relay connections; close them at once when nothing listens on the other side."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind = await connect()
        except OSError:
            await _close(writer)
            return
        await _join((reader, writer), behind, throttle or Throttle())

    return serve


def http(connect: Connect, page: Callable[[], bytes | None]) -> Serve:
    """Relay HTTP connections. `page` may answer in place of the host; a host that does not
    answer at all is a bad gateway.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = page()
        if answer is None:
            with contextlib.suppress(OSError):
                behind = await connect()
                await _relay_http((reader, writer), behind)
                return
        await _answer_instead(reader, writer, answer or bad_gateway())

    return serve


async def accept(listener: socket.socket, serve: Serve) -> None:
    """Serve what arrives on a listening socket until cancelled."""
    server = await asyncio.start_server(serve, sock=listener)
    try:
        await server.serve_forever()
    finally:
        server.close()


async def _relay_http(front: Streams, behind: Streams) -> None:
    """Relay both ways; when the host closes before its first byte, say 502 in its place."""
    request = asyncio.create_task(_pump(front[0], behind[1], Throttle()))
    try:
        first = await behind[0].read(_CHUNK_BYTES)
        front[1].write(first or bad_gateway())
        await front[1].drain()
        await _pump(behind[0], front[1], Throttle())
    except OSError:
        pass
    finally:
        request.cancel()
        await _close(behind[1])
        await _close(front[1])


async def _answer_instead(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes
) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(_HEAD_DEADLINE_S):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
    await _close(writer)


async def _join(front: Streams, behind: Streams, throttle: Throttle) -> None:
    try:
        await asyncio.gather(
            _pump(front[0], behind[1], throttle), _pump(behind[0], front[1], throttle)
        )
    finally:
        await _close(behind[1])
        await _close(front[1])


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, throttle: Throttle
) -> None:
    """Copy until the end of input, then pass that end on."""
    with contextlib.suppress(OSError, RuntimeError):
        while chunk := await reader.read(_CHUNK_BYTES):
            await throttle.passed(len(chunk))
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _answer(status: str, content_type: str, body: str) -> bytes:
    content = body.encode()
    head = (
        f"HTTP/1.1 {status}\r\nserver: cloudflare\r\ncontent-type: {content_type}\r\n"
        f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + content
