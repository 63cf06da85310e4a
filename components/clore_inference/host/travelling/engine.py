"""Runs one engine: its keys, its environment, its restarts, its readiness, its graceful end."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Optional

from . import record
from .death import Death, classify, presentable
from .environment import engine_environment
from .installing import Installing, place
from .logtail import LogTail
from .packages import InstallFailed
from .ready import ask
from .snapshot import NoSuchFile, expanded, snapshot
from .stage import stage
from .tls import TlsDoor

RESTARTS = 3
FIRST_BACKOFF_S = 5.0
"""Marketplace seconds before the first restart; doubled for each further one."""
CALM_S = 600.0
"""Marketplace seconds of work after which earlier restarts no longer count."""
POLL_S = 0.25
"""Real seconds between two looks at the engine's process and log."""
ASK_EVERY_S = 1.0
"""Real seconds between two questions while the engine loads."""
GRACE_S = 30.0
"""Marketplace seconds for in-flight requests to finish before an engine is killed."""
SHORTEST_GRACE_S = 5.0
"""Real seconds, however fast the clock runs: a process needs some to end."""
PROBE_NAME = "supervisor"
"""Name of the key that the supervisor asks with; drawn for each start, it never leaves the host."""


class Stopped(Exception):
    """This run was asked to end."""


class EngineRun:
    """One start of an engine, with its restarts."""

    def __init__(self, wanted: dict[str, Any], status: record.Status) -> None:
        self.job: dict[str, Any] = wanted["job"]
        self.scale = float(wanted.get("scale", 1))
        self.status = status
        self.folder = status.folder
        self.probe_key = secrets.token_hex(32)
        self.engine_key = secrets.token_hex(32)
        self.ready_since: Optional[float] = None  # noqa: UP045 - Python 3.9
        self.place: Optional[Path] = None  # noqa: UP045
        self._door: Optional[TlsDoor] = None  # noqa: UP045
        self._process: Optional[subprocess.Popen[bytes]] = None  # noqa: UP045
        self._asked_at = 0.0
        self._stop_asked = False

    def stop(self) -> None:
        """Ask this run to end at its next look; safe in a signal handler."""
        self._stop_asked = True

    def prepare(self) -> bool:
        """Do whatever can be done while another engine still serves; False when this run is over.

        The engine is installed, its files are there, its guard stands up. Otherwise this start has
        failed, and what ran before it goes on: `kept` says so.
        """
        try:
            self.place = self._installed()
            if self.job.get("tls_port"):
                self._door = TlsDoor(self.job, self.folder)
            refusal = self._refusal()
        except InstallFailed as error:
            if error.kind == "stopped":
                self.status.say(state="stopped", stage="replaced before it began")
                return False
            refusal = Death(error.kind, error.text, worth_restarting=False)
        if refusal is None:
            pem = self._door.pem if self._door else None
            self.status.say(state="starting", stage="prepared", progress=None, certificate=pem)
            return True
        text = presentable(refusal.line, self._secrets())
        log = self.folder / "install.log"
        tail = LogTail(log) if log.exists() else None
        if tail:
            tail.rest()
        self.status.say(
            state="failed",
            kept=True,
            failure={"kind": refusal.kind, "text": text},
            tail=tail.tail(self._secrets()) if tail else [],
        )
        return False

    def _installed(self) -> Optional[Path]:  # noqa: UP045 - Python 3.9
        """Where the engine of this job lies; None for the image's own. Raises InstallFailed."""
        install: dict[str, Any] = self.job.get("install") or {}
        try:
            return place(install)
        except LookupError:
            work = Installing(
                install,
                log=self.folder / "install.log",
                say=self.status.say,
                stopped=self._unwanted,
            )
            return work.run()

    def _unwanted(self) -> bool:
        """Whether somebody asked this run to end, or wants another one in its place."""
        wanted = record.current("engine").get("start_id")
        return self._stop_asked or wanted != self.folder.name

    def _refusal(self) -> Optional[Death]:  # noqa: UP045 - Python 3.9
        """What would end this engine at once; seen here, an hour of loading earlier."""
        environment = self._environment()
        try:
            self._argv(Path(environment["HF_HOME"]) / "hub")
        except NoSuchFile as error:
            return Death("weights_missing", str(error), worth_restarting=False)
        program = str(self.job["argv"][0])
        if not shutil.which(program, path=environment["PATH"]):
            return Death("not_installed", f"{program}: No such file or directory", False)
        refused = self._refused_by_guard(environment)
        return Death("guard", refused, worth_restarting=False) if refused else None

    def run(self) -> int:
        """Run until the engine is beyond restarting (1) or was asked to end (0)."""
        try:
            return self._run()
        except Stopped:
            self.end()
            if self._door:
                self._door.end()
            self.status.say(state="stopped", stage="stopped", engine=None, ended_at=time.time())
            return 0

    def _run(self) -> int:
        restarts = 0
        while True:
            started = time.monotonic()
            death = self._one_life(restarts)
            if (time.monotonic() - started) * self.scale > CALM_S:
                restarts = 0
            if not death.worth_restarting or restarts >= RESTARTS:
                return self._give_up(death, restarts)
            restarts += 1
            self.status.say(state="restarting", restarts=restarts, stage=f"after {death.kind}")
            self._pause(FIRST_BACKOFF_S * 2 ** (restarts - 1) / self.scale)

    def _give_up(self, death: Death, restarts: int) -> int:
        kind = "crash_loop" if restarts >= RESTARTS and death.kind == "crashed" else death.kind
        text = presentable(death.line, self._secrets())
        if self._door:
            self._door.end()
        self.status.say(state="failed", engine=None, failure={"kind": kind, "text": text})
        return 1

    def _one_life(self, restarts: int) -> Death:
        """Start the engine once and watch it until it is dead."""
        log = LogTail(self.folder / "engine.log")
        self.ready_since = None
        self.status.say(state="loading", stage="starting", restarts=restarts, models=[], tail=[])
        try:
            process = self._spawn()
        except NoSuchFile as error:
            return Death("weights_missing", str(error), worth_restarting=False)
        except OSError as error:
            return Death("not_installed", f"{self.job['argv'][0]}: {error.strerror}", False)
        self._process = process
        self.status.say(engine=record.ProcessId.of(process.pid).kept(), spawned_at=time.time())
        while process.poll() is None:
            if self._door:
                self._door.keep()
            self._look(log)
            self._pause(POLL_S)
        record.kill_session(process.pid)
        self._process = None
        log.rest()
        self.status.say(engine=None, tail=log.tail(self._secrets()))
        return classify(log.window(), process.returncode, was_ready=self.ready_since is not None)

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = self._environment()
        argv = self._argv(Path(environment["HF_HOME"]) / "hub")
        program = shutil.which(argv[0], path=environment["PATH"]) or argv[0]
        with (self.folder / "engine.log").open("ab") as log:
            return subprocess.Popen(
                [program, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=str(Path.home()),
                start_new_session=True,
            )

    def _argv(self, cache: Path) -> list[str]:
        words = [str(part) for part in self.job["argv"]]
        repository = str(self.job.get("repository") or "")
        if not repository:
            return words
        return expanded(words, snapshot(cache, repository, str(self.job.get("revision") or "main")))

    def _environment(self) -> dict[str, str]:
        write_engine_key(self.folder / "engine.key", self.engine_key)
        keys = record.job_folder("engine") / "keys.json"
        add_key(keys, PROBE_NAME, self.probe_key)
        guard = {
            **self.job["guard"],
            "keys_file": str(keys),
            "engine_key_file": str(self.folder / "engine.key"),
        }
        record.write_json(self.folder / "guard.json", guard)
        return engine_environment(
            self.job,
            guard_file=self.folder / "guard.json",
            engine_key=self.engine_key,
            place=self.place,
        )

    @staticmethod
    def _refused_by_guard(environment: dict[str, str]) -> str:
        """Why the guard cannot stand up; empty when it can."""
        python = shutil.which("python3", path=environment["PATH"])
        if not python:
            return "there is no python3 on this host"
        checked = subprocess.run(
            [python, "-m", "clore_guard"],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
            text=True,
            timeout=60,
        )
        lines = (checked.stderr or checked.stdout).strip().splitlines()
        if checked.returncode == 0:
            return ""
        return lines[-1] if lines else f"the guard ended with {checked.returncode}"

    def _look(self, log: LogTail) -> None:
        """Read what is new in the log, and ask for readiness until it is there."""
        named = [name for name in map(stage, log.new_lines()) if name]
        if self.ready_since is not None:
            return
        if named:
            self.status.say(stage=named[-1], tail=log.tail(self._secrets()))
        if time.monotonic() - self._asked_at < ASK_EVERY_S:
            return
        self._asked_at = time.monotonic()
        answer = ask(int(self.job["port"]), self.probe_key)
        if answer is None:
            return
        if answer.reason:
            self.status.say(stage=answer.reason)
            return
        self.ready_since = time.monotonic()
        self.status.say(state="running", stage="ready", models=list(answer.models))

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._stop_asked:
                raise Stopped
            time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))

    def end(self) -> None:
        """Ask the engine to end, give its requests time, then end its whole session."""
        if self._process is None:
            return
        self.status.say(state="stopping", stage="finishing requests")
        record.send(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=grace_s(self.job, self.scale))
        except subprocess.TimeoutExpired:
            self.status.say(stage="killed after the limit")
        record.kill_session(self._process.pid)
        self._process = None

    def _secrets(self) -> tuple[str, ...]:
        return (self.engine_key, self.probe_key)


def grace_s(job: dict[str, Any], scale: float) -> float:
    """Real seconds that a stopping engine has for the requests it is working on."""
    return max(SHORTEST_GRACE_S, float(job.get("grace_s", GRACE_S)) / scale)


def write_engine_key(path: Path, key: str) -> None:
    """The engine's private key, as one line that only its owner reads."""
    record.write_text(path, key + "\n")


def add_key(path: Path, name: str, key: str) -> None:
    """Put a named key into the guard's keys file, in the place of an older one of that name."""
    kept = [one for one in record.read_json(path).get("keys", []) if one.get("name") != name]
    digest = hashlib.sha256(key.encode()).hexdigest()
    record.write_json(path, {"keys": [*kept, {"name": name, "sha256": digest, "role": "user"}]})


def set_keys(path: Path, text: str) -> None:
    """Install the endpoint's keys (one key, or a whole keys document) beside the supervisor's."""
    try:
        given = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError):
        digest = hashlib.sha256(text.encode()).hexdigest()
        given = [{"name": "default", "sha256": digest, "role": "user"}]
    kept = [one for one in record.read_json(path).get("keys", []) if one.get("name") == PROBE_NAME]
    record.write_json(path, {"keys": [*given, *kept]})
