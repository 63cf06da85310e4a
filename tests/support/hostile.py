"""Requests that nobody should send: seeded, a thousand of them, none of which may make a token.

Each is bytes on a connection of its own, and how to behave after sending them. What comes back is
the status of the first answer, or None where the door hung up or nothing was to be waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

CHAT: Final = "/v1/chat/completions"
AT_ONCE: Final = 12
ANSWER_WITHIN_S: Final = 40.0
LARGEST_BYTES: Final = 8 * 1024 * 1024
LONG_BYTES: Final = 200_000
BAD_GATEWAY: Final = 502

UNGUARDED: Final = (
    ("POST", "/invocations"), ("POST", "/tokenize"), ("POST", "/detokenize"), ("GET", "/metrics"),
    ("GET", "/docs"), ("GET", "/redoc"), ("GET", "/openapi.json"), ("GET", "/version"),
    ("GET", "/load"), ("GET", "/ping"), ("POST", "/ping"), ("POST", "/pause"), ("POST", "/resume"),
    ("GET", "/is_paused"), ("POST", "/sleep"), ("POST", "/wake_up"), ("POST", "/abort_requests"),
    ("POST", "/generate"), ("POST", "/inference/v1/generate"), ("POST", "/scale_elastic_ep"),
    ("POST", "/reset_prefix_cache"), ("POST", "/collective_rpc"), ("GET", "/server_info"),
    ("POST", "/start_profile"), ("POST", "/stop_profile"), ("POST", "/update_config"),
    ("POST", "/v1/responses"), ("POST", "/v1/messages"), ("POST", "/v1/embeddings"),
    ("POST", "/v1/audio/transcriptions"), ("POST", "/v1/load_lora_adapter"), ("POST", "/rerank"),
    ("POST", "/v1/rerank"), ("POST", "/v2/rerank"), ("POST", "/score"), ("POST", "/classify"),
    ("POST", "/pooling"), ("POST", "/v1/chat/completions/render"), ("POST", "/v1/completions/render"),
    ("GET", "/props"), ("POST", "/props"), ("GET", "/slots"), ("POST", "/slots/0"),
    ("POST", "/completion"), ("POST", "/completions"), ("POST", "/infill"), ("POST", "/embedding"),
    ("POST", "/apply-template"), ("GET", "/lora-adapters"), ("POST", "/models/load"),
    ("GET", "/models"), ("POST", "/chat/completions"), ("POST", "/api/chat"), ("GET", "/"),
    ("DELETE", "/v1/models"), ("PUT", CHAT), ("GET", CHAT), ("OPTIONS", CHAT), ("HEAD", CHAT),
)  # fmt: skip
"""Routes of vLLM 0.20 to 0.33, SGLang 0.5.23 and llama-server b11434 beside what we open."""
TRICKS: Final = (
    "//v1/chat/completions", "/v1//chat/completions", "/v1/chat/completions/", "/v1/chat/completions//",
    "/v1/./chat/completions", "/v1/../v1/chat/completions", "/x/../v1/chat/completions",
    "/v1/chat%2Fcompletions", "/v1%2Fchat%2Fcompletions", "/%76%31/chat/completions",
    "/v1/chat/completion%73", "/V1/chat/completions", "/v1/chat/Completions", "/v1/chat/completions%00",
    "/v1/chat/completions%20", "/v1/chat/completions;a=b", "/v1/chat/completions%3Fa", "/v1/chat\\completions",
    "/health/../invocations", "/health/%2e%2e/invocations", "/v1/models/../../invocations",
    "/v1/models/..%2f..%2finvocations", "/health;/invocations", "/health%2f..%2finvocations",
    "http://127.0.0.1/invocations", "http://localhost/health/../invocations", "/.%2e/invocations",
)  # fmt: skip


@dataclass(frozen=True)
class Hostile:
    """One attempt."""

    kind: str
    sent: bytes
    allowed: tuple[int | None, ...]
    """What it may get; None is a hang-up."""
    hold_s: float | None = None
    """Leave after so many seconds without waiting for an answer."""

    def permits(self, status: int | None) -> bool:
        """Whether this may come back; a relay in front says 502 where the door hung up."""
        return status in self.allowed or (status == BAD_GATEWAY and None in self.allowed)


def request(method: str, path: str, body: bytes = b"", *headers: str, length: bool = True) -> bytes:
    """A request as bytes, on a connection that is to be closed."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    if body and length:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chat(**fields: object) -> bytes:
    """A body that would be answered, with the right key and on the right path."""
    document = {"messages": [{"role": "user", "content": "go on forever"}], "max_tokens": 64}
    return json.dumps({**document, **fields}).encode()


def attempts(count: int, key: str, seed: int = 1) -> list[Hostile]:
    """So many attempts of every kind, in a random order."""
    dice = random.Random(seed)
    kinds: list[Callable[[random.Random, str], Hostile]] = [
        _wrong_key, _wrong_key, _no_key, _trick, _trick, _closed_route, _closed_route, _header,
        _header, _malformed, _malformed, _malformed, _oversized, _slow,
    ]  # fmt: skip
    found = [kinds[number % len(kinds)](dice, key) for number in range(count)]
    dice.shuffle(found)
    return found


def _bearer(key: str) -> str:
    return f"Authorization: Bearer {key}"


def _wrong_key(dice: random.Random, key: str) -> Hostile:
    wrong = dice.choice(
        [key[:-1], key + "x", key.upper(), key[::-1], "", "null", "x" * 4000, f"{key}, {key}",
         f'"{key}"', f"{key}%00", "sk-" + key]
    )  # fmt: skip
    scheme = dice.choice(["Bearer", "bearer", "Basic", "Token", "Bearer:", ""])
    header = f"Authorization: {scheme} {wrong}"
    path = dice.choice([CHAT, "/v1/completions", "/v1/models", "/metrics"])
    method = "POST" if "completions" in path else "GET"
    return Hostile("wrong key", request(method, path, chat(), header), (400, 401, 404))


def _no_key(dice: random.Random, key: str) -> Hostile:
    header = dice.choice(
        [f"X-Api-Key: {key}", f"Api-Key: {key}", f"Cookie: key={key}", f"X-Authorization: Bearer {key}",
         f"Proxy-Authorization: Bearer {key}", "X-Nothing: at-all"]
    )  # fmt: skip
    path = dice.choice([CHAT, f"{CHAT}?api_key={key}", f"{CHAT}?Authorization=Bearer%20{key}"])
    return Hostile("no key", request("POST", path, chat(), header), (401,))


def _trick(dice: random.Random, key: str) -> Hostile:
    sent = request("POST", dice.choice(TRICKS), chat(), _bearer(key))
    return Hostile("path trick", sent, (400, 404, None))


def _closed_route(dice: random.Random, key: str) -> Hostile:
    method, path = dice.choice(UNGUARDED)
    headers = [_bearer(key)] if dice.random() < 0.5 else []
    body = b"" if method in ("GET", "HEAD") else b'{"prompt": "x", "max_tokens": 8}'
    return Hostile("closed route", request(method, path, body, *headers), (401, 404))


def _header(dice: random.Random, key: str) -> Hostile:
    good = _bearer(key)
    body = chat()
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    made = dice.choice(
        [
            request("POST", CHAT, body, good, "Authorization: Bearer other"),
            request("POST", "/health", body, good, f"X-Original-URL: {CHAT}"),
            request("GET", "/health", b"", good, "X-HTTP-Method-Override: POST", f"X-Rewrite-URL: {CHAT}"),
            request("POST", CHAT, body, good, "Content-Encoding: gzip"),
            request("POST", CHAT, body, good, "Content-Type: text/plain", length=False),
            request("POST", CHAT, chunked, good, "Transfer-Encoding: chunked", "Content-Length: 5", length=False),
            request("POST", CHAT, chunked, good, "Transfer-Encoding: gzip, chunked", length=False),
            request("POST", CHAT, body, good, f"Content-Length: -{len(body)}", length=False),
            request("POST", CHAT, body, good, "Content-Length: 99999999999999999999", length=False),
            request("POST", CHAT, body, "Authorization : Bearer " + key),
            request("POST", CHAT, body, " Authorization: Bearer " + key),
            request("GET", "/v1/realtime", b"", good, "Upgrade: websocket", "Connection: Upgrade",
                    "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
            request("POST", CHAT, body, "X-Filler: " + "a" * LONG_BYTES),
            request("PO\tST", CHAT, body, good),
            f"POST {CHAT} HTTP/9.9\r\nHost: a\r\n{good}\r\n\r\n".encode(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ]
    )  # fmt: skip
    return Hostile(
        "header trick", made, (200, 400, 401, 403, 404, 405, 413, 415, 426, 431, 505, None)
    )


MALFORMED: Final = (
    b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"messages": NaN}', b'{"a": Infinity}',
    b'{"messages": [], "messages": []}', b'{"n": 1e999}', b'{"seed": ' + b"9" * 60 + b"}",
    b'{"a":' * 500 + b"1" + b"}" * 500, b"[" * 5000, b'{"messages": "\\ud800"}',
    b'{"model": "another-model", "messages": [{"role": "user", "content": "x"}]}',
    b'{"model": ["mistral-medium-3.5"], "messages": []}', b'{"extra_body": 1, "messages": []}',
    b'{"extra_body": {"extra_body": {}}, "messages": []}', b'{"reasoning_mode": "DEEP"}',
    b'{"reasoning_mode": "deep", "reasoning_effort": "none", "messages": []}',
    b'{"messages": [], "chat_template_kwargs": {"reasoning_effort": "high"}}',
    b'{"messages": 7}', b'{"max_tokens": -5}',
)  # fmt: skip
"""Nothing that an engine may take with a shrug: llama-server reads a wrong type as a default."""


def _malformed(dice: random.Random, key: str) -> Hostile:
    body = dice.choice(MALFORMED)
    sent = request("POST", CHAT, body or b" ", _bearer(key))
    return Hostile("malformed", sent, (400, 404, 422, 500))


def _oversized(dice: random.Random, key: str) -> Hostile:
    size = LARGEST_BYTES + dice.randrange(1, 1000)
    head = request("POST", CHAT, b"", _bearer(key), f"Content-Length: {size}")
    body = b'{"messages": [], "user": "' + b"x" * dice.choice([0, 1000, 300_000])
    return Hostile("oversized", head + body, (413, None))


def _slow(dice: random.Random, key: str) -> Hostile:
    whole = request("POST", CHAT, chat(), _bearer(key))
    cut = dice.randrange(1, len(whole) - 1)
    return Hostile("cut off", whole[:cut], (None,), hold_s=dice.choice([0.0, 0.05, 0.5]))


async def send(url: str, hostile: Hostile) -> int | None:
    """Send one attempt; return the status it got."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(hostile.sent)
            await writer.drain()
        if hostile.hold_s is not None:
            await asyncio.sleep(hostile.hold_s)
            return None
        with contextlib.suppress(ConnectionError):
            head = await asyncio.wait_for(reader.read(64), ANSWER_WITHIN_S)
            found = re.match(rb"HTTP/1\.[01] (\d{3})", head)
            return int(found[1]) if found else None
        return None
    finally:
        writer.transport.abort()


async def send_all(url: str, sent: list[Hostile]) -> Iterator[tuple[Hostile, int | None]]:
    """Send every attempt, some at once; return what each got."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(hostile: Hostile) -> int | None:
        async with gate:
            return await send(url, hostile)

    statuses = await asyncio.gather(*(one(hostile) for hostile in sent))
    return zip(sent, statuses, strict=True)
