"""The SSH server of a host: the renter's key or password, sessions, forwarding to the inside."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import asyncssh

from clore_emulator.hosts.address import listen
from clore_emulator.hosts.sessions import Session

_LOGIN_DEADLINE_S = 30.0
_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})

Mood = Literal["closed", "resetting", "open"]


@dataclass
class Sshd:
    """Accepts on the relay's socket. `mood` says what meets a connection.

    closed: the port does not listen. resetting: it is accepted and reset. open: SSH.
    """

    listener: socket.socket
    host_key: asyncssh.SSHKey
    authorized_keys: Path
    password: str | None
    loopback: str
    """The address that 127.0.0.1 means to a forwarded connection."""
    handle: Callable[[Session], Awaitable[None]]
    mood: Mood = "closed"
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def open(self, mood: Mood) -> None:
        """Start to listen: from now on connections are not refused."""
        self.mood = mood
        self.listener.setblocking(False)
        listen(self.listener)

    async def serve(self) -> None:
        """Accept for ever; call after `open`."""
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self.listener)
            if self.mood == "resetting":
                _reset(connection)
                continue
            task = loop.create_task(self._login(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _login(self, connection: socket.socket) -> None:
        # A scan, a wrong key or a lost client ends a connection, not the server.
        with contextlib.suppress(asyncssh.Error, OSError):
            await asyncssh.run_server(
                connection,
                server_factory=lambda: _Door(self),
                server_host_keys=[self.host_key],
                process_factory=self.handle,
                encoding=None,
                line_editor=False,
                agent_forwarding=False,
                allow_scp=False,
                sftp_factory=True,
                login_timeout=_LOGIN_DEADLINE_S,
            )


class _Door(asyncssh.SSHServer):
    """Who may come in, and where forwarded connections may go."""

    def __init__(self, sshd: Sshd) -> None:
        self._sshd = sshd
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "root" and key.public_data in authorized(self._sshd.authorized_keys)

    def password_auth_supported(self) -> bool:
        return bool(self._sshd.password)

    def validate_password(self, username: str, password: str) -> bool:
        return username == "root" and password == self._sshd.password

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        del orig_host, orig_port
        if dest_host not in _OWN_NAMES or self._connection is None:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed"
            )
        # asyncssh lets a forwarder stand for a session here; its annotations do not say so.
        forwarder = self._connection.forward_connection(self._sshd.loopback, dest_port)
        return cast("Awaitable[asyncssh.SSHTCPSession[bytes]]", forwarder)


def authorized(path: Path) -> set[bytes]:
    """The public keys in an authorized_keys file; lines that are none are passed over."""
    keys = set()
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(asyncssh.KeyImportError):
                keys.add(asyncssh.import_public_key(line).public_data)
    return keys


def host_key(path: Path, *, fresh: bool) -> asyncssh.SSHKey:
    """The host's ed25519 key, made at first need; `fresh` makes another one."""
    if fresh or not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="")
        path.touch(mode=0o600)
        path.write_bytes(key.export_private_key())
    return asyncssh.read_private_key(path)


def _reset(connection: socket.socket) -> None:
    """Close with RST in place of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
