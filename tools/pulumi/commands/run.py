"""One run of a command: what goes in, what comes out, and how it can be ended from outside."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from commands.wire import Properties, plain, secret_texts

MASK: Final = "[secret]"
SHORTEST_MASKED: Final = 8
"""Characters; shorter secrets are not masked in text, they would blank out ordinary words."""

Stream = Literal["stdout", "stderr"]
Say = Callable[[str], None]


class CommandError(Exception):
    """The command did not end with exit code 0; the text has its whole output."""


@dataclass(frozen=True)
class Output:
    """What a command printed, without the last line's end; it is kept in state."""

    stdout: str = ""
    stderr: str = ""


@dataclass(eq=False)
class Stop:
    """Ends a run from another thread: on Cancel, on a time-out, when the engine is gone."""

    _asked: bool = False
    _actions: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self) -> None:
        """End the run, now or as soon as it has begun."""
        with self._lock:
            self._asked, actions = True, self._actions
            self._actions = []
        for action in actions:
            action()

    def on_ask(self, action: Callable[[], None]) -> None:
        """Do this when the end is asked for; at once if it was already."""
        with self._lock:
            if not self._asked:
                self._actions.append(action)
                return
        action()


@dataclass(frozen=True)
class Job:
    """A command that is about to run, with everything in clear; never print it."""

    command: str
    inputs: dict[str, Any] = field(repr=False)
    previous: Output = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    say: Say = field(repr=False)
    stop: Stop = field(repr=False)

    @property
    def stdin(self) -> bytes:
        return str(self.inputs.get("stdin") or "").encode()

    def environment(self) -> dict[str, str]:
        """Return the variables that are added to the command's environment."""
        result = {key: str(text) for key, text in (self.inputs.get("environment") or {}).items()}
        if self.inputs.get("addPreviousOutputInEnv", True):
            if self.previous.stdout:
                result["PULUMI_COMMAND_STDOUT"] = self.previous.stdout
            if self.previous.stderr:
                result["PULUMI_COMMAND_STDERR"] = self.previous.stderr
        return result

    def shown(self, stream: Stream) -> bool:
        """Whether lines of this stream go to the engine's log."""
        return self.inputs.get("logging", "stdoutAndStderr") in (stream, "stdoutAndStderr")

    def redacted(self, text: str) -> str:
        """Return the text with every secret input masked."""
        for value in self.secrets:
            text = text.replace(value, MASK)
        return text

    def failure(self, reason: str, output: bytes) -> CommandError:
        """Return the error in the official plugin's words, without secrets."""
        command = json.dumps(self.command, ensure_ascii=False)
        text = f"{reason}: running {command}:\n{output.decode(errors='replace')}"
        return CommandError(self.redacted(text))


def job_for(command: str, inputs: Properties, previous: Output, say: Say, stop: Stop) -> Job:
    """Prepare a run; secret inputs, long ones first, are masked in whatever is shown."""
    secrets = {text for text in secret_texts(inputs) if len(text) >= SHORTEST_MASKED}
    secrets |= {
        line for text in secrets for line in text.splitlines() if len(line) >= SHORTEST_MASKED
    }
    longest_first = tuple(sorted(secrets, key=len, reverse=True))
    return Job(command, plain(inputs), previous, longest_first, say, stop)


class Collector:
    """Keeps what a command prints, and shows it line by line."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._kept: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self._line: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.everything = bytearray()

    def take(self, stream: Stream, data: bytes) -> None:
        """Add a piece of output."""
        self._kept[stream] += data
        self.everything += data
        if not self._job.shown(stream):
            return
        *whole, rest = (self._line[stream] + data).split(b"\n")
        self._line[stream] = bytearray(rest)
        self._show(whole)

    def output(self) -> Output:
        """Return all of it; a line without an end is shown now."""
        for line in self._line.values():
            if line:
                self._show([line])
        texts = {key: data.decode(errors="replace") for key, data in self._kept.items()}
        return Output(texts["stdout"].removesuffix("\n"), texts["stderr"].removesuffix("\n"))

    def _show(self, lines: Iterable[bytes | bytearray]) -> None:
        for line in lines:
            text = line.decode(errors="replace").removesuffix("\r")
            self._job.say(self._job.redacted(text))
