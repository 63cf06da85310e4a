"""The process of one host as the emulator sees it: started, told things, ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from clore_emulator.hosts.descendants import signal_descendants
from clore_emulator.hosts.plan import Plan
from clore_emulator.hosts.scratch import python_path

_END_DEADLINE_S: Final = 5.0
"""Real seconds a keeper may take to end what is below it before it is killed itself."""


class RunningHost:
    """A started keeper. Everything below it ends when it does."""

    def __init__(
        self, process: asyncio.subprocess.Process, on_event: Callable[[str], None]
    ) -> None:
        self._process = process
        self._events = asyncio.create_task(self._listen(on_event))

    @classmethod
    async def start(
        cls, plan: Plan, descriptors: Sequence[int], log: Path, on_event: Callable[[str], None]
    ) -> RunningHost:
        """Start a host with inherited sockets; `on_event` hears `up`, `deployed` and `ended`."""
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "clore_emulator.hosts.host",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=descriptor,
                pass_fds=descriptors,
                env=_environment(),
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        host = cls(process, on_event)
        host._write(plan.line())
        return host

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def tell(self, order: Mapping[str, Any]) -> None:
        """Give the host an order; one that has ended does not hear it."""
        self._write(json.dumps(order).encode() + b"\n")

    def freeze(self) -> int:
        """Stop everything on the host where it stands; how many processes."""
        return signal_descendants(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> int:
        """Let everything go on."""
        return signal_descendants(self._process.pid, signal.SIGCONT)

    async def end(self) -> None:
        """End the host and everything below it, and wait until nothing is left."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(_END_DEADLINE_S):
                await self._process.wait()
        except TimeoutError:
            signal_descendants(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await self._events

    def _write(self, line: bytes) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line)

    async def _listen(self, on_event: Callable[[str], None]) -> None:
        if self._process.stdout is not None:
            while line := await self._process.stdout.readline():
                on_event(json.loads(line)["event"])
        on_event("ended")


def _environment() -> dict[str, str]:
    """What the host's own process needs; the emulator's environment can hold secrets."""
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": python_path()}
