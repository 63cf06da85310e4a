"""The innermost application: hands what the guard let through on to llama-server."""

# ruff: noqa: UP007, UP045 - Python 3.9 runs this
from __future__ import annotations

import asyncio
from typing import Optional, Union

from .door import Message, Receive, Send
from .message import (
    Body,
    Malformed,
    Source,
    ToTheEnd,
    body_length,
    parse_head,
    status_of,
)

PASSED_HEADERS = (b"content-type", b"content-length", b"cache-control")


class Forward:
    """Hands each request on to the engine, on a connection of its own.

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
