"""What a host remembers of its jobs: folders, documents, locks, and which process is which.

    $HOME/.clore-inference/
        bin/clore_host/        these files            serving/   the guard and the launcher
        engines/               engines that were installed beside the image's own
        start.lock             held while a job is started
        jobs/<kind>/current.json      the job that is wanted, its start id and its runner
        jobs/<kind>/runner.lock       held by the runner for as long as it lives
        jobs/<kind>/<start id>/       status.json, wanted.json, the log, what one start needs

Every document is written beside its place and renamed, so a reader never sees half of one.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Optional

KINDS = ("weights", "engine")
KEPT_STARTS = 3
"""Folders of earlier starts that stay for reading their logs."""


class ProcessId(NamedTuple):
    """A process, told apart from a later one with the same number by its start in clock ticks."""

    pid: int
    ticks: str

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """The identity of a living process; of a dead one, an identity that is never alive."""
        return cls(pid, _stat_fields(pid).get("ticks", "gone"))

    @classmethod
    def read(cls, document: dict[str, Any], name: str) -> Optional[ProcessId]:  # noqa: UP045 - Python 3.9
        """The identity that a document keeps under `name`."""
        kept = document.get(name)
        return cls(int(kept["pid"]), str(kept["ticks"])) if kept else None

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        fields = _stat_fields(self.pid)
        return fields.get("ticks") == self.ticks and fields.get("state") not in ("Z", "X")

    def kept(self) -> dict[str, Any]:
        """As documents keep it."""
        return {"pid": self.pid, "ticks": self.ticks}


def _stat_fields(pid: int) -> dict[str, str]:
    """State, session and start time from /proc/<pid>/stat (man 5 proc); empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    after_name = text.rpartition(")")[2].split()
    return {"state": after_name[0], "session": after_name[3], "ticks": after_name[19]}


def session_members(session: int) -> list[int]:
    """Every living process of a session: an engine's workers, whatever their process groups."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat_fields(int(entry.name))
            if fields.get("session") == str(session) and fields.get("state") not in ("Z", "X"):
                found.append(int(entry.name))
    return found


def signal_session(session: int, number: int) -> None:
    """Send a signal to every process of a session."""
    for pid in session_members(session):
        send(pid, number)


def send(pid: int, number: int) -> None:
    """Send a signal; a process that is gone already is what was wanted."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def kill_session(session: int, *, limit_s: float = 10.0) -> None:
    """End every process of a session without asking, and wait until they are gone."""
    until = time.monotonic() + limit_s
    while session_members(session) and time.monotonic() < until:
        signal_session(session, signal.SIGKILL)
        time.sleep(0.05)


def home() -> Path:
    """Where everything of ours lies on this host."""
    folder = Path(os.path.expanduser("~")) / ".clore-inference"  # noqa: PTH111 - HOME first, as sh does
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def job_folder(kind: str) -> Path:
    """The folder of one kind of job."""
    if kind not in KINDS:
        message = f"there is no job of kind {kind!r}, only {' and '.join(KINDS)}"
        raise ValueError(message)
    folder = home() / "jobs" / kind
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def start_folder(kind: str, start_id: str) -> Path:
    """The folder of one start of a job."""
    folder = job_folder(kind) / start_id
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def forget_old_starts(kind: str, current: str) -> None:
    """Remove the folders of all but the last few starts; one that still runs stays."""
    folders = [
        one
        for one in job_folder(kind).iterdir()
        if one.is_dir() and one.name != current and not _runs(one)
    ]
    folders.sort(key=lambda one: one.stat().st_mtime)
    for folder in folders[: max(0, len(folders) - KEPT_STARTS + 1)]:
        shutil.rmtree(folder, ignore_errors=True)


def _runs(folder: Path) -> bool:
    runner = ProcessId.read(read_json(folder / "wanted.json"), "runner")
    return runner is not None and runner.alive


def write_text(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Put `text` at `path` at once or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(str(beside), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Put a document at `path`, readable by its owner only."""
    write_text(path, json.dumps(document))


def read_json(path: Path) -> dict[str, Any]:
    """The document at `path`; empty when there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def current(kind: str) -> dict[str, Any]:
    """The job of a kind that is wanted on this host; empty when there never was one."""
    return read_json(job_folder(kind) / "current.json")


@contextmanager
def starting() -> Iterator[None]:
    """One start at a time on this host."""
    descriptor = os.open(str(home() / "start.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class RunnerLock:
    """Held by the one runner of a kind of job; says who holds it."""

    def __init__(self, kind: str) -> None:
        self._path = job_folder(kind) / "runner.lock"
        self._descriptor = os.open(str(self._path), os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> bool:
        """Try once; True when this process holds it now, until it ends."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(ProcessId.of(os.getpid()).kept()).encode(), 0)
        return True

    def holder(self) -> Optional[ProcessId]:  # noqa: UP045 - Python 3.9
        """The process that wrote itself down as the holder."""
        return ProcessId.read({"holder": read_json(self._path)}, "holder")


class Status:
    """What one start of a job says of itself, in `status.json`."""

    def __init__(self, kind: str, job: str, start_id: str) -> None:
        self.folder = start_folder(kind, start_id)
        self._document: dict[str, Any] = {"kind": kind, "job": job, "start_id": start_id}

    def say(self, **fields: Any) -> None:
        """Change some fields and write the document."""
        self._document.update(fields)
        self._document["updated_at"] = time.time()
        write_json(self.folder / "status.json", self._document)

    def __getitem__(self, name: str) -> Any:
        return self._document.get(name)
