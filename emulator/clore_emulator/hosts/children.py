"""Programs started on a host: told apart from asyncio's own, since those are killed when their
transport is dropped, and a detached child must outlive its session.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

Stdio = int | IO[bytes] | None


@dataclass
class Children:
    """Starts programs in the host's environment and tells when each has ended."""

    home: Path
    environment: Mapping[str, str]
    _waiting: dict[subprocess.Popen[bytes], asyncio.Future[int]] = field(default_factory=dict)

    def watch(self) -> None:
        """Take notice of ended children; call once, in the main thread's running loop."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._look)

    def start(
        self,
        argv: Sequence[str],
        *,
        stdin: Stdio,
        stdout: Stdio,
        stderr: Stdio,
        extra: Mapping[str, str] | None = None,
    ) -> tuple[subprocess.Popen[bytes], asyncio.Future[int]]:
        """Start a program as the leader of a session of its own, in HOME.

        The future holds its exit status, negative for the signal that ended it.
        """
        child = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=self.home,
            env={**self.environment, **(extra or {})},
            start_new_session=True,
        )
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[child] = ended
        self._look()
        return child, ended

    def start_script(self, argv: Sequence[str], log: Path) -> None:
        """Start a script in the background; what it prints goes to a log."""
        with log.open("ab") as output:
            self.start(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def _look(self) -> None:
        for child in list(self._waiting):
            status = child.poll()
            if status is not None:
                ended = self._waiting.pop(child)
                if not ended.done():
                    ended.set_result(status)
