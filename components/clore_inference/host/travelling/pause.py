"""Ends the engine because its container is being stopped, and leaves it wanted.

Unlike `stop` of the supervisor, which is somebody's wish: a container that comes back, as after a
restart of its machine, starts its engine again.
"""

from __future__ import annotations

import signal
import time

from . import record
from .engine import grace_s

PATIENCE_S = 5.0
"""Real seconds beyond the engine's own limit."""
LOOK_EVERY_S = 0.1


def pause() -> None:
    """Ask the engine's runner to end, wait for it, and write down why it ended."""
    wanted = record.current("engine")
    runner = record.ProcessId.read(wanted, "runner")
    if runner is None or not runner.alive:
        return
    _end(runner, grace_s(wanted["job"], float(wanted.get("scale", 1))) + PATIENCE_S)
    path = record.start_folder("engine", str(wanted["start_id"])) / "status.json"
    said = record.read_json(path)
    if said.get("state") in ("stopping", "stopped"):
        left = {"state": "interrupted", "stage": "its container was stopped"}
        record.write_json(path, {**said, **left})


def _end(runner: record.ProcessId, limit_s: float) -> None:
    record.send(runner.pid, signal.SIGTERM)
    until = time.monotonic() + limit_s
    while runner.alive and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
