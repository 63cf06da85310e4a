"""The Pulumi engine as a dynamic provider sees it: is it still there, and its log.

A provider process outlives a killed CLI, and for ever: nothing of Pulumi's ends it. The engine's
address is the first argument of the process, and its standard input is a pipe that the engine holds;
when either is gone, nobody will record what is bought, and the process ends by itself.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

CONNECT_TIMEOUT_S: Final = 2.0
"""Real seconds; the engine listens on loopback, where a connection takes well under 1 ms."""
BETWEEN_LOOKS_S: Final = 0.5
LOOKS: Final = 3
"""A live provider is never ended for one connection that failed."""
LAST_WORK_S: Final = 120.0
"""Real seconds for what is at work to stop at its fence; more than any time-out of a request."""
PROVIDER: Final = "pulumi.dynamic"
"""What `python -m` runs in a provider process."""

INFO: Final = engine_pb2.INFO
WARNING: Final = engine_pb2.WARNING
Severity = engine_pb2.LogSeverity


def engine_address() -> str | None:
    """Return `host:port` of the engine that started this process, or None outside of one."""
    if len(sys.argv) < 2:
        return None
    host, _, port = sys.argv[1].rpartition(":")
    return sys.argv[1] if host and port.isdigit() else None


def engine_alive() -> bool:
    """Return whether the engine that started this process still listens.

    Another program may get a dead engine's port; nobody gets its end of our standard input.
    """
    address = engine_address()
    if address is None or hung_up(0):
        return False
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False


def hung_up(descriptor: int) -> bool:
    """Whether a descriptor is a pipe that nobody can write to any more."""
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:
        return False
    if not is_pipe or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)  # POLLHUP is always reported
    return any(events & select.POLLHUP for _, events in poll.poll(0))


class Watch:
    """Ends this process once its engine is gone and nothing is at work."""

    def __init__(self, is_alive: Callable[[], bool], end: Callable[[], object]) -> None:
        self._is_alive = is_alive
        self._end = end
        self._at_work = 0
        self._lock = threading.Lock()
        self._begun = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Keep the process for as long as this block runs, up to the bound."""
        with self._lock:
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1

    def begin(self) -> None:
        """Watch from now on, in a thread of its own; once."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
        threading.Thread(target=self.watch, name="engine-watch", daemon=True).start()

    def watch(self) -> None:
        """Return after `end`; that is when several looks in a row found no engine."""
        misses = 0
        while misses < LOOKS:
            time.sleep(BETWEEN_LOOKS_S)
            misses = 0 if self._is_alive() else misses + 1
        until = time.monotonic() + LAST_WORK_S
        while self._at_work and time.monotonic() < until:
            time.sleep(BETWEEN_LOOKS_S)
        self._end()


_watch: Final = Watch(engine_alive, lambda: os._exit(1))
working: Final = _watch.working


def end_with_engine() -> None:
    """Let this process end by itself after its engine; nothing happens outside of a provider's."""
    if _is_provider():
        _watch.begin()


def show_messages_alone() -> None:
    """Let a failure be shown as its message: Pulumi's SDK puts a whole traceback before it."""
    if _is_provider():
        sys.tracebacklimit = 0


def _is_provider() -> bool:
    main = getattr(sys.modules["__main__"], "__spec__", None)
    return main is not None and main.name.removesuffix(".__main__") == PROVIDER


@cache
def _stub(address: str) -> Any:
    return engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))


def say(text: str, *, severity: Severity.ValueType = INFO) -> None:
    """Show one line in the CLI; lost without harm when the engine is gone."""
    address = engine_address()
    if address is None:
        return
    request = engine_pb2.LogRequest(severity=severity, message=text)
    try:
        _stub(address).Log(request, timeout=CONNECT_TIMEOUT_S)
    except grpc.RpcError:
        return


def warn(text: str) -> None:
    """Show one warning in the CLI."""
    say(text, severity=WARNING)
