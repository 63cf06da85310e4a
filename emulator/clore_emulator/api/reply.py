"""HTTP answers: dated in virtual time, or a connection that ends or hangs without one."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any, Final

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from clore_emulator.answer import Answer

CONNECTION: Final = "connection"
"""Key of the transport in the ASGI state; the server puts it there, a test client does not."""


class ConnectionDropped(Exception):
    """The stand-in for a lost connection where there is no real one, in tests without sockets."""


class Ending(Response):
    """No answer at all: the connection is cut at once, or left open until the client goes."""

    def __init__(self, *, hang: bool, background: BackgroundTask | None) -> None:
        super().__init__(background=background)
        self._hang = hang

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        transport = scope.get("state", {}).get(CONNECTION)
        if transport is None:
            raise ConnectionDropped
        if not self._hang:
            transport.abort()
        await _gone(receive)
        if self.background is not None:
            await self.background()


def reply(answer: Answer, now: float, background: BackgroundTask | None) -> Response:
    """The response for an answer."""
    if answer.ending != "answer":
        return Ending(hang=answer.ending == "hang", background=background)
    return Response(
        answer.content(),
        status_code=answer.status,
        headers={
            "content-type": answer.content_type,
            "date": formatdate(now, usegmt=True),
            "server": "cloudflare",
        },
        background=background,
    )


async def _gone(receive: Receive) -> None:
    """Return when the client has disconnected."""
    message: dict[str, Any] = {}
    while message.get("type") != "http.disconnect":
        message = dict(await receive())
        await asyncio.sleep(0)
