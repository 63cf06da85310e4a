"""A raw ASGI client and scripted applications, for middleware that must be driven byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]
HeaderRow = tuple[bytes, bytes]


@dataclass
class Answer:
    """What a client got."""

    status: int = 0
    headers: list[HeaderRow] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    complete: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            assert not self.status, "an answer has started twice"
            self.status = message["status"]
            self.headers = list(message["headers"])
            return
        assert not self.complete, "something was sent after the end"
        self.chunks.append(message.get("body", b""))
        self.complete = not message.get("more_body", False)


@dataclass
class Client:
    """The receiving side: what the client sends, then silence until it hangs up."""

    chunks: Sequence[bytes] = (b"",)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    stalls: bool = False
    _sent: int = 0

    async def __call__(self) -> Message:
        if self._sent < len(self.chunks):
            body = self.chunks[self._sent]
            self._sent += 1
            more = self._sent < len(self.chunks) or self.stalls
            return {"type": "http.request", "body": body, "more_body": more}
        await self.hung_up.wait()
        return {"type": "http.disconnect"}


def scope(
    method: str = "POST",
    path: str = "/v1/chat/completions",
    headers: Iterable[HeaderRow] = (),
    **more: Any,
) -> dict[str, Any]:
    """A connection scope as uvicorn makes it."""
    found: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
    }
    return {**found, **more}


@dataclass
class Engine:
    """An application that notes what reaches it and answers what it was told."""

    status: int = 200
    content_type: bytes = b"application/json"
    chunks: Sequence[bytes] = (b"{}",)
    scopes: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "lifespan":
            return
        self.bodies.append((await receive())["body"])
        headers = [(b"content-type", self.content_type)]
        start = {"type": "http.response.start", "status": self.status, "headers": headers}
        await send(start)
        for number, chunk in enumerate(self.chunks, 1):
            more = number < len(self.chunks)
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

    @property
    def payload(self) -> Any:
        """The one body that arrived."""
        assert len(self.bodies) == 1, f"{len(self.bodies)} requests reached the engine"
        return json.loads(self.bodies[0])


def ask(app: App, scope: dict[str, Any], client: Client | None = None) -> Answer:
    """Send one request through an application."""
    answer = Answer()

    async def run() -> None:
        await app(scope, client or Client(), answer)

    asyncio.run(run())
    return answer
