"""A small endpoint on loopback that does everything right, and each thing wrong when told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "mistral-medium-3.5"
KEY = "endpoint-key-canary-5b1f"
TRIAGE = {"severity": "high", "categories": ["auth"], "summary": "s", "next_action": "n"}


@dataclass
class Endpoint:
    """Behaviour; every field is what a good endpoint has, until a test changes it."""

    served: str = MODEL
    key: str | None = KEY
    open_routes: tuple[str, ...] = ()
    chat_status: int = 200
    chat_error: str = ""
    content: str = "Paris"
    reasoning: dict[str, str] = field(
        default_factory=lambda: {"reasoning": "hm", "reasoning_content": "hm"}
    )
    instant_reasoning: dict[str, str] = field(default_factory=dict)
    stream_type: str = "text/event-stream"
    stream_end: str = "data: [DONE]\n\n"
    tool: dict[str, Any] = field(
        default_factory=lambda: {"tool_calls": [call("search_orders", {"user_id": "u_4821"})]}
    )
    triage: str = json.dumps(TRIAGE)
    seen: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""

    def authorized(self, header: str | None) -> bool:
        return self.key is None or header in (f"Bearer {self.key}", f"bearer {self.key}")

    def chat(self, payload: dict[str, Any]) -> dict[str, Any]:
        mode = payload.get("extra_body", payload).get("reasoning_mode")
        message: dict[str, Any] = {"role": "assistant", "content": self.content}
        if payload.get("tools"):
            message = {"role": "assistant", "content": None, **self.tool}
        elif payload.get("response_format"):
            message["content"] = self.triage
        elif mode == "deep":
            message |= self.reasoning
        else:
            message |= self.instant_reasoning
        return {"model": self.served, "choices": [{"index": 0, "message": message}]}


def call(name: str, arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": "c1", "type": "function", "function": function}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = endpoint


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._note(None)
        if self.path == "/v1/models" and self._admitted():
            served = {"object": "list", "data": [{"id": self.server.endpoint.served}]}
            self._send(200, served)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        payload = json.loads(self.rfile.read(length) or b"null")
        self._note(payload)
        if self.path == "/v1/chat/completions" and self._admitted():
            self._chat(payload)

    def _note(self, payload: Any) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        endpoint = self.server.endpoint
        endpoint.seen.append((self.command, self.path, headers, payload))
        if self.path == "/health" or self.path in endpoint.open_routes:
            self._send(200, {})
        elif self.path not in ("/v1/models", "/v1/chat/completions"):
            self._send(404, {"error": {"message": "no such route"}})

    def _admitted(self) -> bool:
        admitted = self.server.endpoint.authorized(self.headers.get("authorization"))
        if not admitted:
            self._send(401, {"error": {"message": "no"}})
        return admitted

    def _chat(self, payload: dict[str, Any]) -> None:
        endpoint = self.server.endpoint
        if endpoint.chat_status != 200:
            self._send(endpoint.chat_status, {"error": {"message": endpoint.chat_error}})
        elif payload.get("stream"):
            self._stream()
        else:
            self._send(200, endpoint.chat(payload))

    def _send(self, status: int, body: Any) -> None:
        self._raw(status, "application/json", json.dumps(body).encode())

    def _stream(self) -> None:
        deltas = [{"role": "assistant", "content": ""}, {"content": "one "}, {"content": "two"}]
        events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        endpoint = self.server.endpoint
        self._raw(200, endpoint.stream_type, (text + endpoint.stream_end).encode())

    def _raw(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[Endpoint]:
    """Serve it on a free port of loopback."""
    server = _Server(endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
