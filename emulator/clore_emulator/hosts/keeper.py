"""The keeper of one host: enters the namespaces, reaps, and sees that nothing outlives it.

Isolated:     keeper -> init (process 1 inside) -> server -> everything started over SSH.
              When init ends, the kernel ends everything inside.
Not isolated: keeper, the reaper of every orphan below it -> server -> everything.
              When the keeper is told to end, it ends its descendants until none is left.
Either way SIGTERM to the keeper, or the death of whoever started it, ends the whole host.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from clore_emulator.hosts import namespaces
from clore_emulator.hosts.descendants import signal_descendants

_TOLD_TO_END = {signal.SIGTERM}
_LAST_ROUND_S = 5.0
_ROUND_PAUSE_S = 0.005


def keep(
    serve: Callable[[], int],
    *,
    isolated: bool,
    parent_pid: int,
    shm_bytes: int,
    meminfo: Path | None,
    close: Callable[[], None],
) -> int:
    """Run `serve` in a process of its own until it ends or the keeper is told to; exit status.

    `close` gives up, in the keeper, what only the server needs (inherited sockets, pipes).
    """
    if not isolated:
        return _keep_by_walking(serve, parent_pid, close)
    namespaces.die_with_parent(parent_pid, signal.SIGKILL)
    namespaces.leave_outside()
    outer = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD_TO_END)
    init = os.fork()
    if init == 0:
        namespaces.die_with_parent(outer, signal.SIGKILL)
        namespaces.furnish(shm_bytes=shm_bytes, meminfo=meminfo)
        os._exit(_be_init(serve, close))
    close()
    signal.signal(signal.SIGTERM, lambda *_: os.kill(init, signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD_TO_END)
    return os.waitstatus_to_exitcode(os.waitpid(init, 0)[1])


def _be_init(serve: Callable[[], int], close: Callable[[], None]) -> int:
    """Reap orphans until the server ends; the kernel then ends everything else inside."""
    server = _fork_server(serve, signal.SIGKILL)
    close()
    while True:
        pid, status = os.wait()
        if pid == server:
            return os.waitstatus_to_exitcode(status) & 0xFF


def _keep_by_walking(serve: Callable[[], int], parent_pid: int, close: Callable[[], None]) -> int:
    namespaces.adopt_orphans()
    told_to_end = False

    def end(*_: object) -> None:
        nonlocal told_to_end
        told_to_end = True
        os.kill(server, signal.SIGKILL)

    signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD_TO_END)
    server = _fork_server(serve, signal.SIGTERM)
    signal.signal(signal.SIGTERM, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD_TO_END)
    namespaces.die_with_parent(parent_pid, signal.SIGTERM)
    close()
    exit_status = 0
    while True:
        pid, status = os.wait()
        if pid == server:
            exit_status = os.waitstatus_to_exitcode(status) & 0xFF
            break
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_descendants()
    return 0 if told_to_end else exit_status


def _fork_server(serve: Callable[[], int], on_keepers_death: signal.Signals) -> int:
    keeper = os.getpid()
    server = os.fork()
    if server == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _TOLD_TO_END)
        namespaces.die_with_parent(keeper, on_keepers_death)
        status = 1
        try:
            status = serve()
        except BaseException:
            # Said here, since a forked child must not unwind into the keeper's own frames.
            traceback.print_exc()
            raise
        finally:
            sys.stderr.flush()
            os._exit(status)
    return server


def _end_descendants() -> None:
    """Kill and reap until no child is left: whatever forks meanwhile is met in the next round."""
    give_up_at = time.monotonic() + _LAST_ROUND_S
    while time.monotonic() < give_up_at:
        signal_descendants(os.getpid(), signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(_ROUND_PAUSE_S)
