"""The demonstration's stack, through the real Pulumi CLI."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ground import STACK, Ground

ASK_WITHIN_S: Final = 60.0
KILLED: Final = 1
"""The exit code that stands for a CLI which a signal ended."""


class StackError(Exception):
    """Pulumi could not do it; the text says what is left, and what to run."""


@dataclass(frozen=True)
class Outcome:
    """How an operation ended; `changes` has counts by kind, without what stayed the same."""

    code: int
    changes: Mapping[str, int]


@dataclass(frozen=True)
class Pulumi:
    """The parts in use: a PATH that has them, and the directories of our stand-ins, if any."""

    path: str
    stand_ins: Mapping[str, str]


def ensured(root: Path) -> Pulumi:
    """Return Pulumi, installing it if need be; what is done is shown."""
    program = root / "tools" / "pulumi" / "ensure.py"
    done = subprocess.run(
        [sys.executable, str(program)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise StackError("Without the Pulumi CLI nothing can be rented; nothing was.")
    said = json.loads(done.stdout)
    path = [*said["before_path"], os.environ.get("PATH", ""), *said["after_path"]]
    ours = [part for part in said["parts"] if part["origin"] == "stand-in"]
    return Pulumi(
        path=os.pathsep.join(path),
        stand_ins={part["name"]: str(Path(part["path"]).parent) for part in ours},
    )


@dataclass(frozen=True)
class Stack:
    """Commands on the stack; `secrets` reach them in the environment only."""

    ground: Ground
    path: str
    secrets: Mapping[str, str] = field(repr=False)

    def environment(self) -> dict[str, str]:
        """Return the environment of every command: a backend and a passphrase of its own."""
        return {
            **{key: text for key, text in os.environ.items() if key != "PULUMI_CONFIG_PASSPHRASE"},
            **self.secrets,
            "PATH": self.path,
            "PULUMI_BACKEND_URL": f"file://{self.ground.backend}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.ground.passphrase),
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_SUPPRESS_NEO_LINK": "true",
        }

    def exists(self) -> bool:
        """Whether the stack was ever made."""
        return self.ground.stack_state.is_file()

    def create(self) -> None:
        """Make the stack unless it is there."""
        if not self.exists():
            self._ask("stack", "init", STACK, "--no-select")

    def operate(self, *words: str) -> Outcome:
        """Run an operation of the engine, shown as it goes; Ctrl-C is the CLI's to handle."""
        events = self.ground.state / "events.json"
        events.unlink(missing_ok=True)
        shown = shlex.join(["pulumi", *words, "--stack", STACK])
        print(f"\n$ {shown}", flush=True)
        command = ["pulumi", *words, "--stack", STACK, "--event-log", str(events)]
        process = subprocess.Popen(
            [*command, "--suppress-permalink=true"], cwd=self.ground.project, env=self.environment()
        )
        code = _wait_patiently(process)
        return Outcome(code if code >= 0 else KILLED, _changes(events))

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, secrets in clear."""
        said = self._ask("stack", "output", "--json", "--show-secrets", "--stack", STACK)
        return dict(json.loads(said))

    def pending(self) -> list[str]:
        """Return the resources that a killed command was creating."""
        if not self.exists():
            return []
        state = json.loads(self._ask("stack", "export", "--stack", STACK))
        operations = state["deployment"].get("pending_operations") or []
        return [row["resource"]["urn"].rsplit("::", 1)[1] for row in operations]

    def unlock(self) -> str | None:
        """Free the lock of a command that was killed; return what was done, for people.

        Only a lock of this machine whose process is gone is freed. StackError if one still runs.
        """
        locks = [json.loads(file.read_text(encoding="utf-8")) for file in self._locks()]
        if not locks:
            return None
        for lock in locks:
            if lock.get("hostname") != socket.gethostname() or _alive(int(lock["pid"])):
                raise StackError(
                    f"Another command (process {lock['pid']} on {lock.get('hostname')}) is working on"
                    " this stack. Nothing was started. Wait for its end, or end it, and repeat."
                )
        self._ask("cancel", "--yes", "--stack", STACK)
        return f"Freed the lock that process {locks[0]['pid']}, which was killed, had left behind."

    def _locks(self) -> list[Path]:
        directory = self.ground.backend / ".pulumi" / "locks"
        return sorted(directory.rglob("*.json")) if directory.is_dir() else []

    def _ask(self, *words: str) -> str:
        done = subprocess.run(
            ["pulumi", *words, "--non-interactive", "--color", "never"],
            cwd=self.ground.project,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=ASK_WITHIN_S,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"`pulumi {words[0]} {words[1]}` failed: {done.stderr.strip()}")
        return done.stdout


def _wait_patiently(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end. Ctrl-C reaches the CLI from the terminal; a SIGTERM is passed on as one."""

    def interrupt(number: int, _: object) -> None:
        if number == signal.SIGTERM:
            process.send_signal(signal.SIGINT)

    before = {name: signal.signal(name, interrupt) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _changes(events: Path) -> dict[str, int]:
    """Return what the engine's own summary counts."""
    if not events.is_file():
        return {}
    rows = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    counts = [row["summaryEvent"]["resourceChanges"] or {} for row in rows if "summaryEvent" in row]
    last = counts[-1] if counts else {}
    return {kind: count for kind, count in last.items() if kind != "same"}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
