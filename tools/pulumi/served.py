"""What both stand-ins share: a gRPC server that the engine starts, and that ends with the engine.

The engine starts a plugin as `plugin ENGINE-ADDRESS`, in a process group of its own, and reads the
plugin's port from the first line of its standard output. It ends a plugin with SIGINT, then SIGKILL.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

WORKERS: Final = 64
"""Calls answered at the same time; a call may last as long as a command runs."""

MESSAGE_LIMIT_BYTES: Final = 400 * 1024 * 1024
"""Pulumi's own limit for one message (pulumi/pulumi, sdk/go/common/util/rpcutil)."""

LOOK_EVERY_S: Final = 2.0
LOOKS_BEFORE_THE_END: Final = 3


def engine_address() -> str:
    """Return the address that the engine gave on the command line, or an empty text."""
    return next((word for word in sys.argv[1:] if ":" in word and not word.startswith("-")), "")


def engine_answers(address: str) -> bool:
    """Whether anything still listens at the engine's address."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host or "127.0.0.1", int(port)), timeout=LOOK_EVERY_S):
            return True
    except OSError:
        return False


def watch_engine(address: str, on_loss: Callable[[], None]) -> None:
    """Call `on_loss` once, from a thread, when the engine was gone for some looks in a row."""

    def look() -> None:
        missed = 0
        while missed < LOOKS_BEFORE_THE_END:
            time.sleep(LOOK_EVERY_S)
            missed = 0 if engine_answers(address) else missed + 1
        on_loss()

    threading.Thread(target=look, name="engine-watch", daemon=True).start()


def serve(register: Callable[[grpc.Server], None], on_end: Callable[[], None]) -> None:
    """Serve until a signal or the engine's end; `on_end` stops what still runs by then."""
    options = [
        ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
        ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
    ]
    server = grpc.server(ThreadPoolExecutor(max_workers=WORKERS), options=options)
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def end(*_: object) -> None:
        on_end()
        os._exit(0)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    if address := engine_address():
        watch_engine(address, end)
    print(port, flush=True)
    server.wait_for_termination()
