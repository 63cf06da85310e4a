"""What the guard costs: both arms in one process, alternating, medians of pairs.

    python tools/bench/guard.py [--rounds 30] [--tokens 400]

The engine is a fixed ASGI application behind uvicorn on loopback; half of the requests go through
the guard, half past it, to the same server in the same process: two separate processes differ by
1 to 2.5 % with no guard at all. `ceiling` is what the guard would cost next to no engine work at all;
`paced` streams at the rate of a real engine (5,400 tokens/s in all at 8 clients), which is what the
goal is about: at most 1 ms at the median, at least 97 % of the throughput at 1 and at 8 clients;
for the proxy in front of llama-server, at one. `make real-engines` measures a real engine.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import uvicorn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "components"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.real_engines.pairs import LEAST_SHARE, MOST_MS, Arm, added_ms, share

from clore_inference.secret import Secret
from clore_inference.serving import guard_config, keys_document
from clore_inference.serving.guard import Guard
from clore_inference.serving.llamacpp.door import Door
from clore_inference.serving.llamacpp.forward import Forward

KEY: Final = "bench"
MODEL: Final = "mistral-medium-3.5"
PACE_TOKENS_PER_S: Final = 675.0
"""For each client: 5,400 tokens/s at 8 clients, as a small model gave on 2 cores with real vLLM."""
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
    """One application: `/bare`, and what the proxy hands on, is for the engine; the rest is guarded."""

    def __init__(self, engine: Engine, guard: Guard) -> None:
        self._engine = engine
        self._guard = guard

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        names = [name for name, _ in scope.get("headers", ())]
        if scope["path"] == "/bare" or b"authorization" not in names:
            await self._engine(scope, receive, send)
        else:
            await self._guard(scope, receive, send)


def document(**fields: Any) -> dict[str, Any]:
    """A request that the engine answers."""
    return {"model": MODEL, "messages": [], **fields}


async def measure(port: int, rounds: int) -> dict[str, Any]:
    """Return every figure and whether the goals are met."""
    bare, behind = Arm(port, "/bare", KEY), Arm(port, "/v1/chat/completions", KEY)
    await bare.ask(document())
    await behind.ask(document())
    figures = {"added_ms": await added_ms(bare, behind, document(), rounds * 10)}
    for pace in ("paced", "ceiling"):
        for clients in (1, 8):
            asked = document(stream=True, user=pace)
            found = await share(bare, behind, asked, rounds, clients)
            figures[f"{pace}_share_{clients}"] = found
    reached = figures["added_ms"] <= MOST_MS and all(
        figures[f"paced_share_{clients}"] >= LEAST_SHARE for clients in (1, 8)
    )
    rounded = {name: round(value, 4) for name, value in figures.items()}
    return {**rounded, "goals_reached": reached}


async def measure_proxy(port: int, rounds: int, app: Any) -> dict[str, Any]:
    """Return what llama.cpp's proxy costs one client, in front of the same engine."""
    door = Door(app)
    bare = Arm(port, "/bare", KEY)
    behind = Arm(await door.open("127.0.0.1", 0), "/v1/chat/completions", KEY)
    await behind.ask(document())
    figures = {
        "added_ms": await added_ms(bare, behind, document(), rounds * 10),
        "paced_share_1": await share(
            bare, behind, document(stream=True, user="paced"), rounds, clients=1
        ),
    }
    await door.end()
    rounded = {name: round(value, 4) for name, value in figures.items()}
    return {**rounded, "goals_reached": figures["paced_share_1"] >= LEAST_SHARE}


def guarded(engine: Any, directory: Path) -> Guard:
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
        port = int(listening.getsockname()[1])
        app = Arms(engine, guarded(engine, Path(directory)))
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
            await asyncio.sleep(0.01)
        found = {"guard": await measure(port, rounds)}
        inward = guarded(Forward(port), Path(directory))
        found["llamacpp_proxy"] = await measure_proxy(port, rounds, inward)
        server.should_exit = True
        await serving
    return found


def measured(rounds: int = 30, tokens: int = 400) -> dict[str, Any]:
    """Return all figures; about a minute."""
    return asyncio.run(run(rounds, tokens))


def main() -> int:
    """Measure and print; 0 when the goals are reached."""
    parser = argparse.ArgumentParser(description="Measure what the guard costs.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=400)
    options = parser.parse_args()
    found = measured(options.rounds, options.tokens)
    print(json.dumps(found))
    return 0 if all(part["goals_reached"] for part in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
