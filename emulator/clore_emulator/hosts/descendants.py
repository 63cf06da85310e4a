"""Which processes descend from one, and how to end or stop all of them. Never anybody else's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def descendants(root_pid: int) -> list[int]:
    """The ids of all living processes below `root_pid`, parents first, without itself."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [root_pid]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found.extend(below)
        waiting.extend(below)
    return found


def signal_descendants(root_pid: int, signum: signal.Signals) -> int:
    """Send a signal to everything below `root_pid`; how many were there to receive it."""
    reached = 0
    for pid in descendants(root_pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
            reached += 1
    return reached


def _parents() -> Iterator[tuple[int, int]]:
    """Every living process with its parent's id."""
    if sys.platform != "linux":
        yield from _parents_by_ps()
        return
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        # The program's name stands in brackets and may hold spaces and brackets itself.
        state, parent = line.rpartition(")")[2].split()[:2]
        if state not in "ZX":
            yield int(entry.name), int(parent)


def _parents_by_ps() -> Iterator[tuple[int, int]]:
    answer = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], check=True, capture_output=True, text=True
    )
    for line in answer.stdout.splitlines():
        pid, parent, state = line.split(maxsplit=2)
        if not state.startswith("Z"):
            yield int(pid), int(parent)
