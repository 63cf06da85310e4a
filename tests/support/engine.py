"""The real Pulumi engine in tests: a project in a scratch directory, and what its commands did.

    def test_something(project):
        project.configure(maxUsdPerDay="80")
        result = project.up()
        assert result.changes == {"create": 9}, result.text

A project has its own file backend and passphrase, so that nothing of the user's is touched. Commands
never prompt; a result has the exit code, all output, and the engine's own events.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
"""The checkout under test."""

TIMEOUT_S = 300.0
"""No command of a test runs longer; the real seconds of the slowest `up` against the emulator."""

STOP_WITHIN_S = 20.0


@dataclass(frozen=True)
class Engine:
    """A Pulumi CLI with all its parts, as the environment that finds them."""

    path: str
    origins: Mapping[str, str]
    home: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment for a command, without anything of another Pulumi session."""
        kept = {key: text for key, text in os.environ.items() if not key.startswith("PULUMI_")}
        home = {"PULUMI_HOME": str(self.home)} if self.home else {}
        if not home and "PULUMI_HOME" in os.environ:
            home = {"PULUMI_HOME": os.environ["PULUMI_HOME"]}
        return kept | home | {"PATH": self.path, "PULUMI_SKIP_UPDATE_CHECK": "true"}


def ensured_engine() -> Engine:
    """Return the engine that `make up` uses, installing it if need be."""
    program = REPOSITORY / "tools" / "pulumi" / "ensure.py"
    done = subprocess.run(
        [sys.executable, str(program)], stdout=subprocess.PIPE, text=True, check=True
    )
    document = json.loads(done.stdout)
    before, after = document["before_path"], document["after_path"]
    middle = [entry for entry in os.environ["PATH"].split(os.pathsep) if entry not in after]
    return Engine(
        path=os.pathsep.join([*before, *middle, *after]),
        origins={part["name"]: part["origin"] for part in document["parts"]},
    )


OFFICIAL = "CLORE_INFERENCE_OFFICIAL_PLUGINS"
HOW_TO_GET_OFFICIAL = (
    f"the official language host and plugins `command` and `docker` are not here; install Pulumi from"
    f" https://www.pulumi.com/docs/iac/download-install/, or set {OFFICIAL} to a directory that has"
    " pulumi-language-python, pulumi-resource-command and, for Docker hosts, pulumi-resource-docker"
)


def official_engine(scratch: Path) -> Engine | None:
    """Return an engine of official parts only; None where this machine does not have them.

    They are taken as `make up` finds them, or from the directory that the variable OFFICIAL names:
    then a CLI with its language host, and a plugin cache, are laid out below `scratch`.
    """
    ensured = ensured_engine()
    if "stand-in" not in ensured.origins.values():
        return ensured
    given = os.environ.get(OFFICIAL)
    if not given:
        return None
    cli = Path(shutil.which("pulumi", path=ensured.path) or "").resolve().parent
    parts = scratch / "official"
    shutil.copytree(cli, parts)
    shutil.copy(Path(given, "pulumi-language-python"), parts)
    for name in ("command", "docker"):
        program = Path(given, f"pulumi-resource-{name}")
        if program.exists():
            version = importlib.metadata.version(f"pulumi_{name}")
            plugin = scratch / "home" / "plugins" / f"resource-{name}-v{version}"
            plugin.mkdir(parents=True)
            shutil.copy(program, plugin)
    origins = dict.fromkeys(ensured.origins, "official")
    return Engine(
        path=f"{parts}{os.pathsep}{os.environ['PATH']}", origins=origins, home=scratch / "home"
    )


def has_plugin(engine: Engine, name: str) -> bool:
    """Whether the engine has a plugin already, or may fetch it by itself."""
    if engine.home is None:
        return True
    return any((engine.home / "plugins").glob(f"resource-{name}-v*"))


@dataclass(frozen=True)
class Result:
    """What a command did; `events` are the engine's, see Pulumi's apitype.EngineEvent."""

    command: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float
    events: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    @property
    def text(self) -> str:
        """Everything that a person would have seen."""
        return self.stdout + self.stderr

    @property
    def changes(self) -> dict[str, int]:
        """How many resources were created, updated, replaced, deleted or left the same."""
        summaries = [event["summaryEvent"] for event in self.events if "summaryEvent" in event]
        return dict(summaries[-1]["resourceChanges"] or {}) if summaries else {}

    def operations(self) -> list[tuple[str, str]]:
        """What was done to which resource, as `(operation, name)`, in the engine's order."""
        steps = [
            event["resourcePreEvent"]["metadata"]
            for event in self.events
            if "resourcePreEvent" in event
        ]
        return [(step["op"], step["urn"].rsplit("::", 1)[1]) for step in steps]

    def messages(self, *severities: str) -> list[str]:
        """What the engine said, by severity: `info`, `info#err`, `warning`, `error`; all but debug."""
        found = [event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event]
        return [
            row["message"]
            for row in found
            if (row["severity"] in severities if severities else row["severity"] != "debug")
        ]


@dataclass
class Running:
    """A command that runs in a process group of its own, to be interrupted or killed."""

    process: subprocess.Popen[str]
    command: tuple[str, ...]
    output: Path
    events_file: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def text(self) -> str:
        """What was printed up to now."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def interrupt(self) -> None:
        """Press Ctrl-C, as a terminal does: the command's process group gets the signal."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill the CLI alone (-9); what it started lives on."""
        self.process.kill()

    def finish(self, timeout_s: float = TIMEOUT_S) -> Result:
        """Wait for the end."""
        code = self.process.wait(timeout_s)
        seconds = time.monotonic() - self.begun
        return Result(self.command, code, self.text, "", seconds, read_events(self.events_file))


def read_events(file: Path) -> tuple[dict[str, Any], ...]:
    """Read an event log; the last line of a killed command may be incomplete."""
    if not file.exists():
        return ()
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return tuple(found)


class Project:
    """One Pulumi project with one stack, in a scratch directory."""

    def __init__(
        self,
        directory: Path,
        engine: Engine,
        *,
        stack: str = "test",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.stack = stack
        self.backend = directory / ".backend"
        self.backend.mkdir(exist_ok=True)
        self.environment = engine.environment() | {
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": secrets.token_hex(16),
            "PULUMI_DEBUG_COMMANDS": "true",
            **(environment or {}),
        }
        self._running: list[Running] = []

    def create_stack(self) -> None:
        """Make the stack in the project's own backend; the user's selected stack stays."""
        self.run("stack", "init", self.stack, "--no-select", check=True)

    def run(
        self,
        *words: str,
        check: bool = False,
        timeout_s: float = TIMEOUT_S,
        stdin: str | None = None,
    ) -> Result:
        """Run a Pulumi command without the engine's events."""
        command = ("pulumi", *words, "--non-interactive", "--color", "never")
        begun = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        seconds = time.monotonic() - begun
        result = Result(command, done.returncode, done.stdout, done.stderr, seconds)
        assert not check or result.code == 0, result.text
        return result

    def start(self, *words: str) -> Running:
        """Start an operation of the engine; `finish()` has its result."""
        number = len(self._running)
        output, events = (self.directory / f".{kind}-{number}" for kind in ("output", "events"))
        flags = ["--stack", self.stack, "--event-log", str(events), "--non-interactive"]
        command = ("pulumi", *words, *flags, "--color", "never")
        with output.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        running = Running(process, command, output, events)
        self._running.append(running)
        return running

    def preview(self, *flags: str) -> Result:
        return self.start("preview", *flags).finish()

    def up(self, *flags: str) -> Result:
        """Run `pulumi up`, without the preview before it."""
        return self.start("up", "--yes", "--skip-preview", *flags).finish()

    def refresh(self, *flags: str) -> Result:
        return self.start("refresh", "--yes", "--skip-preview", *flags).finish()

    def destroy(self, *flags: str) -> Result:
        """Run `pulumi destroy`, going on with the rest after a failure."""
        return self.start(
            "destroy", "--yes", "--skip-preview", "--continue-on-error", *flags
        ).finish()

    def cancel(self) -> Result:
        """Free the lock of a killed command."""
        return self.run("cancel", "--yes", "--stack", self.stack)

    def configure(self, **values: str) -> None:
        """Set configuration keys of the project, in clear."""
        pairs = [word for key, text in values.items() for word in ("--plaintext", f"{key}={text}")]
        self.run("config", "set-all", "--stack", self.stack, *pairs, check=True)

    def configure_secret(self, key: str, value: str) -> None:
        """Set a secret; the value travels on standard input."""
        words = ("config", "set", "--secret", key, "--stack", self.stack)
        self.run(*words, check=True, stdin=value)

    def unset(self, key: str) -> None:
        self.run("config", "rm", key, "--stack", self.stack, check=True)

    def export(self) -> dict[str, Any]:
        """Return the state, with secrets encrypted."""
        result = self.run("stack", "export", "--stack", self.stack, check=True)
        return dict(json.loads(result.stdout))

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources in state by name; children of the stack and deeper, all alike."""
        rows = self.export()["deployment"].get("resources") or []
        return {row["urn"].rsplit("::", 1)[1]: row for row in rows}

    def pending(self) -> list[dict[str, Any]]:
        """Return the operations that a killed command left unfinished."""
        return list(self.export()["deployment"].get("pending_operations") or [])

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs, with secrets in clear."""
        words = ("stack", "output", "--json", "--show-secrets", "--stack", self.stack)
        return dict(json.loads(self.run(*words, check=True).stdout))

    def artefacts(self) -> Iterator[tuple[Path, bytes]]:
        """Yield every file that the commands left: state, backups, history, output, events."""
        for file in sorted(self.directory.rglob("*")):
            if file.is_file() and not file.is_symlink():
                yield file, file.read_bytes()

    def close(self) -> None:
        """End what still runs."""
        for running in self._running:
            if running.process.poll() is None:
                os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait(STOP_WITHIN_S)


def write_program(directory: Path, program: str, *, name: str = "tiny") -> None:
    """Write a project with a program of a few lines, for the interpreter that runs the tests."""
    directory.mkdir(parents=True, exist_ok=True)
    options = f"{{toolchain: pip, virtualenv: {json.dumps(sys.prefix)}}}"
    text = f"name: {name}\nruntime: {{name: python, options: {options}}}\n"
    (directory / "Pulumi.yaml").write_text(text, encoding="utf-8")
    (directory / "__main__.py").write_text(program, encoding="utf-8")


def copy_project(
    directory: Path, names: Sequence[str] = ("Pulumi.yaml", "__main__.py", "stacks")
) -> None:
    """Copy the repository's own project, with the virtual environment of the running tests."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        source = REPOSITORY / name
        if source.is_dir():
            (directory / name).mkdir()
            for file in source.iterdir():
                (directory / name / file.name).write_bytes(file.read_bytes())
        else:
            (directory / name).write_bytes(source.read_bytes())
    settings = directory / "Pulumi.yaml"
    text = settings.read_text(encoding="utf-8")
    changed = text.replace("virtualenv: .venv", f"virtualenv: {json.dumps(sys.prefix)}")
    assert changed != text, "Pulumi.yaml is expected to name `virtualenv: .venv`"
    settings.write_text(changed, encoding="utf-8")
