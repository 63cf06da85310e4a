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
from typing import Final

from clore_emulator.hosts import namespaces
from clore_emulator.hosts.descendants import signal_descendants

_AWAITED: Final = {signal.SIGTERM, signal.SIGCHLD}
_LAST_ROUND_S: Final = 5.0
_ROUND_PAUSE_S: Final = 0.005


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
    keeper = os.getpid()

    def begin() -> int:
        namespaces.die_with_parent(keeper, signal.SIGKILL)
        namespaces.furnish(shm_bytes=shm_bytes, meminfo=meminfo)
        return _be_init(serve, close)

    init = _fork(begin)
    close()
    status = _until_ended_or_told(init)
    if status is None:
        os.kill(init, signal.SIGKILL)
        os.waitpid(init, 0)
    return status or 0


def _be_init(serve: Callable[[], int], close: Callable[[], None]) -> int:
    """Reap orphans until the server ends; the kernel then ends everything else inside."""
    server = _fork_server(serve, signal.SIGKILL)
    close()
    return _until_ended_or_told(server) or 0


def _keep_by_walking(serve: Callable[[], int], parent_pid: int, close: Callable[[], None]) -> int:
    namespaces.adopt_orphans()
    server = _fork_server(serve, signal.SIGTERM)
    namespaces.die_with_parent(parent_pid, signal.SIGTERM)
    close()
    status = _until_ended_or_told(server)
    _end_descendants()
    return status or 0


def _until_ended_or_told(child: int) -> int | None:
    """Reap until `child` ends (its exit status) or SIGTERM comes (None).

    The signals stay blocked for good and are taken one by one: a handler could run between the
    end of the child and our noticing it.
    """
    while signal.sigwait(_AWAITED) == signal.SIGCHLD:
        while reaped := _reap():
            if reaped[0] == child:
                return os.waitstatus_to_exitcode(reaped[1]) & 0xFF
    return None


def _reap() -> tuple[int, int] | None:
    """Reap one ended child, if there is one."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _fork_server(serve: Callable[[], int], on_keepers_death: signal.Signals) -> int:
    keeper = os.getpid()

    def begin() -> int:
        namespaces.die_with_parent(keeper, on_keepers_death)
        return serve()

    return _fork(begin)


def _fork(work: Callable[[], int]) -> int:
    """Do `work` in a child, which exits with its result; the caller's signals stay blocked."""
    # Without a handler some systems drop a blocked SIGCHLD, which by default is ignored.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
        status = 1
        try:
            status = work()
        except BaseException:  # told here: a forked child must not unwind into its parent's frames
            traceback.print_exc()
            raise
        finally:
            sys.stderr.flush()
            os._exit(status)
    return child


def _end_descendants() -> None:
    """Kill and reap until no child is left: whatever forks meanwhile is met in the next round,
    and every orphan becomes a child of ours.
    """
    give_up_at = time.monotonic() + _LAST_ROUND_S
    while _has_children() and time.monotonic() < give_up_at:
        signal_descendants(os.getpid(), signal.SIGKILL)
        while _reap():
            pass
        time.sleep(_ROUND_PAUSE_S)


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
