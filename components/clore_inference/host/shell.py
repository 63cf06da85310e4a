"""Where a job's host is, and a shell there: over SSH on an order, in a container on a Docker host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import asyncssh

from clore_inference.host import ssh
from clore_inference.host.docker.container import container_shell
from clore_inference.host.docker.place import ContainerPlace
from clore_inference.host.login import Login


class Shell(Protocol):
    """Runs commands on a host."""

    async def run(self, command: str, *, stdin: str = "", timeout_s: float) -> ssh.Output:
        """Run POSIX shell. Raises HostUnreachable, OSError, TimeoutError or asyncssh.Error."""


@dataclass(frozen=True)
class SshShell:
    """A shell on an order."""

    connection: asyncssh.SSHClientConnection

    async def run(self, command: str, *, stdin: str = "", timeout_s: float) -> ssh.Output:
        """Run POSIX shell."""
        return await ssh.run(self.connection, command, stdin=stdin, timeout_s=timeout_s)


@asynccontextmanager
async def shell_on(place: Login | ContainerPlace) -> AsyncIterator[Shell]:
    """A shell on the host; raises HostUnreachable, TrustError or HostRejected."""
    if isinstance(place, ContainerPlace):
        async with container_shell(place) as in_container:
            yield in_container
        return
    async with ssh.connected(place) as connection:
        yield SshShell(connection)
