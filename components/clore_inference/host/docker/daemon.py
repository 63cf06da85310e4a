"""How a Docker engine is reached: its local socket, or `docker system dial-stdio` over SSH.

SSH is the user's own client, as Docker itself does it: configuration, agent and keys are theirs.
Host keys are always checked; a pinned one is the only one that counts.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from clore_inference.errors import HostUnreachable

CONNECT_TIMEOUT_S: Final = 15
"""Real seconds for one connection."""
LIMIT_BYTES: Final = 4 * 1024 * 1024
"""Longest line or head that is read in one piece."""

_ALWAYS: Final = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": str(CONNECT_TIMEOUT_S),
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
}


@dataclass(frozen=True)
class Daemon:
    """One Docker engine."""

    address: str
    """unix:///path of a socket or ssh://user@host."""
    host_key: str | None = None
    """OpenSSH public key line that an ssh:// host must show; None: the user's known_hosts decide."""

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return self.address.startswith("unix://")

    @property
    def path(self) -> str:
        """The local socket."""
        return self.address.removeprefix("unix://")

    @property
    def id(self) -> str:
        """Short name that stays the same for the same address."""
        return hashlib.sha256(self.address.encode()).hexdigest()[:8]

    @property
    def ssh_options(self) -> tuple[str, ...]:
        """Options of every ssh command to this host, as words.

        A pinned key is given by `KnownHostsCommand` (OpenSSH 8.5, ssh_config(5)), so that there is
        no file to keep and the words are the same on every machine.
        """
        options = dict(_ALWAYS)
        if self.host_key:
            options["UserKnownHostsFile"] = "/dev/null"
            options["GlobalKnownHostsFile"] = "/dev/null"
            options["KnownHostsCommand"] = f"/bin/echo %H {self.host_key}"
        return tuple(word for name, value in options.items() for word in ("-o", f"{name}={value}"))

    def ssh(self, *options: str) -> tuple[str, ...]:
        """The words of an ssh command to this host; what it is to run there is added behind them."""
        parts = urlsplit(self.address)
        user = ("-l", parts.username) if parts.username else ()
        port = ("-p", str(parts.port)) if parts.port else ()
        return ("ssh", *self.ssh_options, *options, *user, *port, "--", parts.hostname or "")


class Stream:
    """One connection to a Docker engine."""

    def __init__(
        self,
        daemon: Daemon,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        process: asyncio.subprocess.Process | None = None,
    ) -> None:
        self.reader, self.writer = reader, writer
        self._daemon, self._process = daemon, process

    async def end_of_input(self) -> None:
        """Tell the other side that nothing more is sent; answers still come."""
        await self.writer.drain()
        if self._process is None:
            self.writer.write_eof()
        else:
            self.writer.close()

    async def broken(self) -> HostUnreachable:
        """The error for a connection that ended early, with what ssh said of it."""
        said = b""
        if self._process and self._process.stderr:
            said = await self._process.stderr.read(4096)
        lines = said.decode(errors="replace").strip().splitlines()
        return unreachable(self._daemon, lines[-1] if lines else "the connection ended")

    async def close(self) -> None:
        """End the connection."""
        self.writer.close()
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()


def unreachable(daemon: Daemon, reason: object) -> HostUnreachable:
    """The error for a Docker engine that gave no answer."""
    return HostUnreachable(f"the Docker engine at {daemon.address} is not reachable: {reason}")


@asynccontextmanager
async def dialled(daemon: Daemon) -> AsyncIterator[Stream]:
    """A connection to the engine; raises HostUnreachable where there is none."""
    stream = await _dial(daemon)
    try:
        yield stream
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise await stream.broken() from error
    finally:
        await stream.close()


async def _dial(daemon: Daemon) -> Stream:
    if not daemon.is_local:
        return await _over_ssh(daemon)
    try:
        reader, writer = await asyncio.open_unix_connection(daemon.path, limit=LIMIT_BYTES)
    except OSError as error:
        raise unreachable(daemon, error.strerror or error) from error
    return Stream(daemon, reader, writer)


async def _over_ssh(daemon: Daemon) -> Stream:
    command = (*daemon.ssh("-T"), "docker", "system", "dial-stdio")
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LIMIT_BYTES
        )
    except OSError as error:
        raise unreachable(daemon, f"ssh could not be started: {error.strerror}") from error
    if process.stdin is None or process.stdout is None:
        raise AssertionError
    return Stream(daemon, process.stdout, process.stdin, process)
