"""What the guard costs: both arms in one process, alternating, medians of pairs.

    python tools/bench/guard.py [--rounds 30] [--tokens 400]

The engine is a fixed ASGI application behind uvicorn on loopback; half of the requests go through
the guard, half past it, to the same server in the same process: two separate processes differ by
1 to 2.5 % with no guard at all. `ceiling` is what the guard would cost next to no engine work at all;
`paced` streams at the rate of a real engine (5,400 tokens/s in all at 8 clients), which is what the
goal is about: at most 1 ms at the median, at least 97 % of the throughput at 1 and at 8 clients.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import uvicorn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "components"))

from clore_inference.secret import Secret
from clore_inference.serving import guard_config, keys_document
from clore_inference.serving.guard import Guard

KEY: Final = "bench"
MODEL: Final = "mistral-medium-3.5"
PACE_TOKENS_PER_S: Final = 675.0
"""For each client: 5,400 tokens/s at 8 clients, as a small model gave on 2 cores with real vLLM."""
LEAST_SHARE: Final = 0.97
MOST_MS: Final = 1.0
WHOLE: Final = json.dumps({"choices": [{"message": {"content": "x", "reasoning": None}}]}).encode()


class Engine:
    """Answers a chat at once, or streams tokens at a pace; nothing of it depends on the request."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        payload = json.loads((await receive())["body"])
        streams = bool(payload.get("stream"))
        kind = b"text/event-stream" if streams else b"application/json"
        headers = [(b"content-type", kind)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if streams:
            await self._stream(send, paced=payload.get("user") == "paced")
        body = b"" if streams else WHOLE
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _stream(self, send: Any, *, paced: bool) -> None:
        started = time.perf_counter()
        for number in range(self.tokens):
            field = "reasoning" if number < self.tokens // 2 else "content"
            event = {"choices": [{"index": 0, "delta": {field: f" token{number}"}}]}
            body = b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})
            ahead = started + (number + 1) / PACE_TOKENS_PER_S - time.perf_counter()
            await asyncio.sleep(max(0.0, ahead) if paced else 0)


class Arms:
    """One application: `/bare/...` goes to the engine, everything else through the guard."""

    def __init__(self, engine: Engine, guard: Guard) -> None:
        self._engine = engine
        self._guard = guard

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/bare"):
            await self._engine(scope, receive, send)
        else:
            await self._guard(scope, receive, send)


async def ask(port: int, *, bare: bool, **fields: Any) -> float:
    """Send one request on a connection of its own; return its seconds."""
    body = json.dumps({"model": MODEL, "messages": [], **fields}).encode()
    path = "/bare" if bare else "/v1/chat/completions"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.perf_counter()
    writer.write(head.encode() + body)
    while await reader.read(65536):
        pass
    seconds = time.perf_counter() - started
    writer.close()
    return seconds


async def latency_ms(port: int, rounds: int) -> float:
    """Return the median of what the guard adds to a plain chat, in ms."""
    added = []
    for _ in range(rounds * 10):
        bare = await ask(port, bare=True)
        added.append(await ask(port, bare=False) - bare)
    return statistics.median(added) * 1000


async def share(port: int, rounds: int, clients: int, pace: str) -> float:
    """Return the guard's share of the bare throughput, the median over pairs."""
    shares = []
    for number in range(rounds):
        seconds = {}
        for bare in (True, False) if number % 2 else (False, True):
            started = time.perf_counter()
            asked = [ask(port, bare=bare, stream=True, user=pace) for _ in range(clients)]
            await asyncio.gather(*asked)
            seconds[bare] = time.perf_counter() - started
        shares.append(seconds[True] / seconds[False])
    return statistics.median(shares)


async def measure(port: int, rounds: int) -> dict[str, Any]:
    """Return every figure and whether the goals are met."""
    await ask(port, bare=True)
    await ask(port, bare=False)
    figures: dict[str, float] = {"added_ms": await latency_ms(port, rounds)}
    for pace in ("paced", "ceiling"):
        for clients in (1, 8):
            figures[f"{pace}_share_{clients}"] = await share(port, rounds, clients, pace)
    reached = figures["added_ms"] <= MOST_MS and all(
        figures[f"paced_share_{clients}"] >= LEAST_SHARE for clients in (1, 8)
    )
    rounded = {name: round(value, 4) for name, value in figures.items()}
    return {"guard": rounded, "goals_reached": reached}


def guarded(engine: Engine, directory: Path) -> Guard:
    """Return the guard with one key."""
    keys = directory / "keys.json"
    keys.write_text(keys_document([("bench", Secret(KEY), "user")]))
    config = guard_config(
        keys_file=str(keys), engine_key_file=None, engine="vllm", served_model=MODEL
    )
    return Guard(engine, config)


async def run(rounds: int, tokens: int) -> dict[str, Any]:
    """Serve both arms and measure them."""
    engine = Engine(tokens)
    with tempfile.TemporaryDirectory() as directory, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = Arms(engine, guarded(engine, Path(directory)))
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
            await asyncio.sleep(0.01)
        found = await measure(listening.getsockname()[1], rounds)
        server.should_exit = True
        await serving
    return found


def main() -> int:
    """Measure and print; 0 when the goals are reached."""
    parser = argparse.ArgumentParser(description="Measure what the guard costs.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=400)
    options = parser.parse_args()
    found = asyncio.run(run(options.rounds, options.tokens))
    print(json.dumps(found))
    return 0 if found["goals_reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
