"""Listening and ending: one socket, uvicorn, and the signals as the engines treat them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import uvicorn

from clore_emulator.engines.engine import Engine
from clore_emulator.engines.surroundings import Surroundings

POLL_S: Final = 0.1
"""Real seconds between looks at the `dies_after` fault."""
LEAST_DRAIN_S: Final = 0.2
"""Real seconds: answers that are finished still leave."""


def bind(around: Surroundings, host: str | None, port: int) -> socket.socket:
    """Take the port without listening: who connects is refused until the server runs.

    Raises OSError (98) when the port is taken.
    """
    address = around.bind_address(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind((address, port))
    return taken


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Ending:
    """How an engine ends on SIGTERM or SIGINT."""

    drain_s: float
    """Virtual seconds given to requests in flight; they are aborted after that."""
    say: Callable[[str], None]
    announced: str = "shutdown triggered"


def serve(
    app: Any,
    engine: Engine,
    listening: socket.socket,
    ending: Ending,
    beside: Callable[[], AsyncIterator[None]] | None = None,
) -> int:
    """Serve until a signal, a fault or the engine's own end; return the exit code."""
    return asyncio.run(_serve(app, engine, listening, ending, beside))


async def _serve(
    app: Any,
    engine: Engine,
    listening: socket.socket,
    ending: Ending,
    beside: Callable[[], AsyncIterator[None]] | None,
) -> int:
    config = uvicorn.Config(app, lifespan="on")
    server = _Server(config)
    failed: list[str] = []

    def stop(drain_s: float) -> None:
        # uvicorn hands the number to asyncio.wait_for, which takes fractions as well.
        allowed = max(LEAST_DRAIN_S, engine.around.real(drain_s))
        config.timeout_graceful_shutdown = cast("int", allowed)
        server.should_exit = True

    def end(reason: str) -> None:
        failed.append(reason)
        ending.say(reason)
        # The answer that tells of the end still goes out.
        asyncio.get_running_loop().call_later(POLL_S, stop, 0)

    def terminate() -> None:
        ending.say(ending.announced)
        stop(ending.drain_s)

    engine.end = end
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, terminate)
    tasks = [asyncio.create_task(_die_when_told(engine, ending.say))]
    if beside is not None:
        tasks.append(asyncio.create_task(_drain(beside())))
    await server.serve(sockets=[listening])
    for task in tasks:
        task.cancel()
    return 1 if failed else 0


async def _drain(steps: AsyncIterator[None]) -> None:
    async for _ in steps:
        pass


async def _die_when_told(engine: Engine, say: Callable[[str], None]) -> None:
    """End the whole process at once, as a killed engine core takes its server with it."""
    ready_since: float | None = None
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(POLL_S)
        if not engine.ready:
            continue
        ready_since = loop.time() if ready_since is None else ready_since
        fault = engine.around.faults.get("dies_after")
        if fault and loop.time() - ready_since >= engine.around.real(float(fault["seconds"])):
            say("EngineCore died unexpectedly with exit code -9.")
            os._exit(1)
