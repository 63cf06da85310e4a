"""Runs one fetch in a process of its own and says how far it is."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

from . import record
from .environment import fetch_environment
from .logtail import LogTail

POLL_S = 0.3
"""Real seconds between two looks at the progress."""
PYTHONS = ("python3", "/opt/venv/bin/python3", "/usr/local/bin/python3", "/usr/bin/python3")
"""Where images keep the Python that their engine, and so the hub client, is installed in."""
END_S = 5.0
"""Real seconds for a fetch to end; what it has written stays and is gone on from."""


class WeightsRun:
    """One start of a fetch."""

    def __init__(self, wanted: dict[str, Any], status: record.Status, token: str) -> None:
        self.job: dict[str, Any] = wanted["job"]
        self.scale = float(wanted.get("scale", 1))
        self.status = status
        self._token = token
        self._stop_asked = False

    def stop(self) -> None:
        """Ask this run to end at its next look; safe in a signal handler."""
        self._stop_asked = True

    def run(self) -> int:
        """Run the fetch to its end: 0 when every file is here and verified."""
        self.status.say(state="fetching", stage="listing", progress={})
        environment = fetch_environment(str(self.job["endpoint"]))
        python = python_with_hub(environment)
        with (self.status.folder / "fetch.log").open("ab") as log:
            process = subprocess.Popen(
                [python or sys.executable, str(launcher()), "fetch"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._hand_over(process)
        while process.poll() is None:
            if self._stop_asked:
                return self._end(process)
            self._say_progress()
            time.sleep(POLL_S)
        return self._result(process.returncode)

    def _hand_over(self, process: subprocess.Popen[bytes]) -> None:
        """Give the fetch its order and its token, through a pipe that nobody else reads."""
        order = {
            "job": self.job,
            "folder": str(self.status.folder),
            "scale": self.scale,
            "token": self._token,
        }
        self._token = ""
        if process.stdin is None:
            raise AssertionError
        with process.stdin as pipe:
            pipe.write(json.dumps(order).encode() + b"\n")

    def _say_progress(self) -> None:
        found = record.read_json(self.status.folder / "progress.json")
        if found and found != self.status["progress"]:
            self.status.say(stage=found.get("phase", ""), progress=found)

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        record.signal_session(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            record.kill_session(process.pid)
        self.status.say(state="stopped", stage="stopped")
        return 0

    def _result(self, code: int) -> int:
        self._say_progress()
        found = record.read_json(self.status.folder / "result.json")
        if code == 0 and "snapshot" in found:
            self.status.say(state="complete", stage="complete", **found)
            return 0
        log = LogTail(self.status.folder / "fetch.log")
        log.rest()
        failure = found.get("failure") or _ended_without_a_word(code)
        self.status.say(state="failed", failure=failure, tail=log.tail(()))
        return 1


def _ended_without_a_word(code: int) -> dict[str, str]:
    text = f"the fetch process ended with {code} without saying why"
    if code == -signal.SIGKILL:
        text = "the fetch process was killed (signal 9); the host was out of memory"
    return {"kind": "network", "text": text}


def launcher() -> Path:
    """The program that runs these files, beside their folder."""
    return Path(__file__).resolve().parent.parent / "clore_supervisor.py"


def python_with_hub(environment: dict[str, str]) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """The first Python of this host that has `huggingface_hub`; None when none has."""
    candidates = [shutil.which(name, path=environment["PATH"]) or "" for name in PYTHONS]
    for python in dict.fromkeys([*candidates, sys.executable]):
        if python and _imports_hub(python, environment):
            return python
    return None


def _imports_hub(python: str, environment: dict[str, str]) -> bool:
    found = subprocess.run(
        [
            python,
            "-c",
            "import importlib.util as u, sys; sys.exit(not u.find_spec('huggingface_hub'))",
        ],
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )
    return found.returncode == 0


def still_here(status: dict[str, Any]) -> bool:
    """Whether the snapshot that a complete fetch left is still whole, by its files' presence."""
    snapshot = Path(str(status.get("snapshot", "")))
    if not status.get("snapshot") or not snapshot.is_dir():
        return False
    found = [path for path in snapshot.rglob("*") if path.is_file()]
    return len(found) >= int(status.get("files", 0))
