"""A port of a Docker host's loopback, reached from here."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clore_inference.host.docker.daemon import CONNECT_TIMEOUT_S, Daemon, unreachable

LOOPBACK: Final = "127.0.0.1"
LOOK_EVERY_S: Final = 0.05


@contextmanager
def way_to_port(
    daemon: Daemon, port: int, *, timeout_s: float = CONNECT_TIMEOUT_S
) -> Iterator[int]:
    """Yield a local port that leads to `port` of the Docker host's loopback.

    On this machine it is the port itself; over SSH a tunnel that ends with the context. Raises
    HostUnreachable. `timeout_s` is in real seconds and bounds the connection only.
    """
    if daemon.is_local:
        yield port
        return
    local = _free_port()
    forward = ("-N", "-T", "-o", "ExitOnForwardFailure=yes")
    words = daemon.ssh(*forward, "-L", f"{LOOPBACK}:{local}:{LOOPBACK}:{port}")
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_for(process, local, daemon, timeout_s)
        yield local
    finally:
        process.kill()
        process.communicate()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])


def _wait_for(process: subprocess.Popen[str], port: int, daemon: Daemon, timeout_s: float) -> None:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if process.poll() is not None:
            said = (process.stderr.read() if process.stderr else "").strip().splitlines()
            raise unreachable(daemon, said[-1] if said else "ssh ended")
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1):
                return
        except OSError:
            time.sleep(LOOK_EVERY_S)
    raise unreachable(daemon, f"no tunnel within {timeout_s:g} s")
