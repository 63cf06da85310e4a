"""The two processes: llama-server and the guarded door in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from .door import App, Door
from .forward import Forward

LISTEN_VARIABLE = "CLORE_INFERENCE_LISTEN"
DEFAULT_LISTEN = "127.0.0.1:8000"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
NOT_FOUND = 127  # as a shell ends that does not find a program


def last_value(argv: Sequence[str], flag: str) -> str:
    """Return the value of a flag that counts, which is its last; empty when it is absent."""
    found = [argv[at + 1] for at in range(len(argv) - 1) if argv[at] == flag]
    return found[-1] if found else ""


def refusal(argv: Sequence[str]) -> str:
    """Why this line of llama-server would not be guarded; empty if it would."""
    if last_value(argv, "--host") not in LOOPBACK:
        return "llama-server must listen on --host 127.0.0.1, or it is reached past the guard"
    if not last_value(argv, "--port").isdigit():
        return "llama-server must be given its --port, which the guard hands requests on to"
    return ""


async def serve(app: App, listen: str, argv: Sequence[str]) -> int:
    """Run the engine and the door in front of it; return the code with which the engine ended.

    A negative code is a signal's number; 0 after a SIGTERM.
    """
    host, _, port = listen.rpartition(":")
    door = Door(app)
    await door.open(host, int(port))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL)
    ended = asyncio.ensure_future(engine.wait())
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if ended.done():
        return ended.result()
    finishing = asyncio.ensure_future(door.end())
    await asyncio.wait({ended, finishing}, return_when=asyncio.FIRST_COMPLETED)
    with contextlib.suppress(ProcessLookupError):
        engine.terminate()
    await ended
    return 0


def main(argv: Sequence[str]) -> int:
    """Serve; returns, or dies of the same signal, as the engine did."""
    refused = refusal(argv)
    if refused:
        sys.exit(f"clore_llamacpp: {refused}. The engine was not started.")
    guard = importlib.import_module("clore_guard").Guard(Forward(int(last_value(argv, "--port"))))
    listen = os.environ.get(LISTEN_VARIABLE) or DEFAULT_LISTEN
    try:
        code = asyncio.run(serve(guard, listen, argv))
    except FileNotFoundError:
        print(f"clore_llamacpp: there is no {argv[0]} on this host", file=sys.stderr)
        return NOT_FOUND
    if code < 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code
