"""Starts, keeps, tells of and ends the jobs of a host; they outlive every connection.

    clore_supervisor.py start          reads {"kind", "job", "job_id", ...} on standard input
    clore_supervisor.py status KIND    prints one line of JSON
    clore_supervisor.py stop KIND      asks the job to end
    clore_supervisor.py told KIND ID   remembers that the failure of a start was shown
    clore_supervisor.py revive         starts what a restart of the container ended
    clore_supervisor.py run KIND ID    the runner itself; started by `start`, never by hand
    clore_supervisor.py fetch          the fetch itself; started by a runner

A job that is wanted again while it runs or is complete is kept, with its start id. Another job of
the same kind replaces it: the new runner ends the old one and goes on when that is gone, so `start`
itself returns at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Union

from . import fetch, record
from .engine import EngineRun, grace_s, set_keys
from .hook import install_hook
from .weights import WeightsRun, launcher, still_here

TAKE_OVER_S = 0.1
"""Real seconds between two tries to take the place of a runner that is ending."""
PATIENCE_S = 15.0
"""Real seconds beyond an engine's own limit before its runner is ended without asking."""

Run = Union[EngineRun, WeightsRun]  # noqa: UP007 - Python 3.9


def begin(document: dict[str, Any]) -> dict[str, Any]:
    """Start a job, or keep the one that is the same; returns at once, with its start id."""
    kind = str(document["kind"])
    with record.starting():
        if kind == "engine" and document.get("keys"):
            set_keys(record.job_folder(kind) / "keys.json", str(document["keys"]))
        standing = look(kind)
        if standing.get("job") == document["job_id"] and _goes_on(standing):
            return _line(standing)
        if _back_to_running(kind, str(document["job_id"])):
            return _line(look(kind))
        start_id = uuid.uuid4().hex[:16]
        wanted = {
            "kind": kind,
            "job_id": document["job_id"],
            "job": document["job"],
            "scale": document.get("scale", 1),
            "start_id": start_id,
            "previous": _served(standing),
        }
        with contextlib.suppress(OSError):  # a read-only home start is told by what follows
            install_hook()
        record.forget_old_starts(kind, start_id)
        record.Status(kind, str(document["job_id"]), start_id).say(state="starting", stage="queued")
        _launch(wanted, str(document.get("token") or ""))
        return _line(look(kind))


def _line(seen: dict[str, Any]) -> dict[str, Any]:
    return {name: seen.get(name) for name in ("kind", "job", "start_id", "state")}


def _goes_on(seen: dict[str, Any]) -> bool:
    if seen["state"] == "complete":
        return still_here(seen)
    return bool(seen["alive"]) and seen["state"] not in ("failed", "stopped", "stopping")


def _back_to_running(kind: str, job_id: str) -> bool:
    """Want an earlier start again that still serves, since the later one never took its place."""
    for path in record.job_folder(kind).glob("*/wanted.json"):
        wanted = record.read_json(path)
        runner = record.ProcessId.read(wanted, "runner")
        said = record.read_json(path.with_name("status.json"))
        if (
            wanted.get("job_id") == job_id
            and said.get("state") == "running"
            and runner is not None
            and runner.alive
        ):
            record.write_json(record.job_folder(kind) / "current.json", wanted)
            return True
    return False


def _served(standing: dict[str, Any]) -> str:
    """The start that serves while the next one is prepared; a failed one hands on the one before."""
    if standing.get("kept") or standing["state"] == "installing":
        return str(record.current(str(standing["kind"])).get("previous") or "")
    return str(standing.get("start_id") or "") if standing["state"] == "running" else ""


def _launch(wanted: dict[str, Any], token: str) -> None:
    """Start a runner in a session of its own; its token goes through a pipe."""
    kind, start_id = wanted["kind"], wanted["start_id"]
    folder = record.start_folder(kind, start_id)
    with (folder / "runner.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(launcher()), "run", kind, start_id],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
    document = {**wanted, "runner": record.ProcessId.of(process.pid).kept()}
    record.write_json(folder / "wanted.json", document)
    record.write_json(record.job_folder(kind) / "current.json", document)
    if process.stdin is None:
        raise AssertionError
    with process.stdin as pipe:
        pipe.write(token.encode())


def look(kind: str) -> dict[str, Any]:
    """What the wanted job of a kind says of itself, and whether that can still be true."""
    wanted = record.current(kind)
    if not wanted:
        return {"kind": kind, "state": "absent", "alive": False}
    folder = record.start_folder(kind, str(wanted["start_id"]))
    said = record.read_json(folder / "status.json")
    runner = record.ProcessId.read(wanted, "runner")
    engine = record.ProcessId.read(said, "engine")
    return {
        "state": "starting",
        **said,
        "job": wanted["job_id"],
        "start_id": wanted["start_id"],
        "alive": bool(runner and runner.alive),
        "engine_alive": bool(engine and engine.alive),
        "now": time.time(),
    }


def run(kind: str, start_id: str, token: str) -> int:
    """Take the place of whoever ran a job of this kind, then run this one."""
    wanted = record.current(kind)
    status = record.Status(kind, str(wanted.get("job_id", "")), start_id)
    if wanted.get("start_id") != start_id:
        status.say(state="stopped", stage="replaced before it began")
        return 0
    job: Run = EngineRun(wanted, status) if kind == "engine" else WeightsRun(wanted, status, token)
    signal.signal(signal.SIGTERM, lambda *_: job.stop())
    if isinstance(job, EngineRun) and not job.prepare():
        return 1
    if not _take_over(kind, start_id, wanted):
        status.say(state="stopped", stage="replaced before it began")
        return 0
    return job.run()


def _take_over(kind: str, start_id: str, wanted: dict[str, Any]) -> bool:
    """End the runner before us; False when somebody newer has taken our place meanwhile."""
    lock = record.RunnerLock(kind)
    limit_s = grace_s(wanted["job"], float(wanted.get("scale", 1))) + PATIENCE_S
    until = time.monotonic() + limit_s
    asked: set[int] = set()
    while not lock.take():
        if record.current(kind).get("start_id") != start_id:
            return False
        holder = lock.holder()
        if holder is not None and holder.alive and holder.pid not in asked:
            record.send(holder.pid, signal.SIGTERM)
            asked.add(holder.pid)
        if holder is not None and holder.alive and time.monotonic() > until:
            record.send(holder.pid, signal.SIGKILL)
        time.sleep(TAKE_OVER_S)
    _end_orphans(kind, start_id)
    return True


def _end_orphans(kind: str, start_id: str) -> None:
    """End engines whose runner died before them."""
    for path in record.job_folder(kind).glob("*/status.json"):
        engine = record.ProcessId.read(record.read_json(path), "engine")
        if path.parent.name != start_id and engine is not None and engine.alive:
            _end_orphan(engine)


def _end_orphan(engine: record.ProcessId) -> None:
    record.send(engine.pid, signal.SIGTERM)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and engine.alive:
        time.sleep(TAKE_OVER_S)
    record.kill_session(engine.pid)


def stop(kind: str) -> dict[str, Any]:
    """Ask the job of a kind to end; it is not started again by itself."""
    with record.starting():
        runner = record.ProcessId.read(record.current(kind), "runner")
        for one in {runner, record.RunnerLock(kind).holder()}:
            if one is not None and one.alive:
                record.send(one.pid, signal.SIGTERM)
        return _line(look(kind))


def told(kind: str, start_id: str) -> None:
    """Remember that a failure was shown to somebody, so that wanting the job again starts it."""
    path = record.start_folder(kind, start_id) / "status.json"
    said = record.read_json(path)
    if said.get("state") == "failed":
        record.write_json(path, {**said, "told": True})


def revive() -> None:
    """Start again what a restart of the container ended; a fetch waits for its token instead.

    An engine that was still being prepared waits for who wants it: what served before it serves on.
    """
    with record.starting():
        seen = look("engine")
        wanted = record.current("engine")
        if seen["alive"] or seen["state"] in ("absent", "stopped"):
            return
        if seen["state"] == "installing" or seen.get("kept"):
            before = record.start_folder("engine", str(wanted.get("previous") or "none"))
            wanted = record.read_json(before / "wanted.json") or wanted
        if seen["state"] == "failed" and wanted.get("start_id") == seen["start_id"]:
            return
        record.Status("engine", str(wanted["job_id"]), str(wanted["start_id"])).say(
            state="starting", stage="the container was restarted"
        )
        _launch(wanted, "")


def main(arguments: list[str]) -> int:
    """Do what the command line asks."""
    os.umask(0o077)
    if arguments == ["start"]:
        print(json.dumps(begin(json.load(sys.stdin))))
    elif arguments[:1] == ["status"] and len(arguments) == 2:
        print(json.dumps(look(arguments[1])))
    elif arguments[:1] == ["stop"] and len(arguments) == 2:
        print(json.dumps(stop(arguments[1])))
    elif arguments[:1] == ["told"] and len(arguments) == 3:
        told(arguments[1], arguments[2])
    elif arguments == ["revive"]:
        revive()
    elif arguments[:1] == ["run"] and len(arguments) == 3:
        return run(arguments[1], arguments[2], sys.stdin.read())
    elif arguments == ["fetch"]:
        return fetch.main()
    else:
        print(f"unknown command; see {Path(__file__).name}", file=sys.stderr)
        return 2
    return 0
