"""A port of a host on a local port, over SSH, for synchronous callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

import asyncssh

from clore_inference.errors import HostUnreachable
from clore_inference.host import ssh
from clore_inference.host.login import Login

LOOPBACK: Final = "127.0.0.1"


@contextmanager
def open_tunnel(
    login: Login, remote_port: int, *, local_port: int = 0, timeout_s: float = ssh.CONNECT_TIMEOUT_S
) -> Iterator[int]:
    """Yield a local port that leads to `remote_port` on the host's loopback.

    Listens on the local loopback only; 0 lets the system choose the port. Raises HostUnreachable or
    TrustError when the host cannot be reached, OSError when the local port is taken. `timeout_s` is
    in real seconds and bounds the connection, not what is sent through it.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="clore-tunnel", daemon=True)
    thread.start()
    try:
        connection = _wait(loop, ssh.connect(login, timeout_s=timeout_s))
        try:
            listener = _wait(loop, _forward(connection, login, local_port, remote_port))
            yield listener.get_port()
        finally:
            _wait(loop, _closed(connection))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _wait(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, ssh.Value]) -> ssh.Value:
    return asyncio.run_coroutine_threadsafe(work, loop).result()


async def _forward(
    connection: asyncssh.SSHClientConnection, login: Login, local_port: int, remote_port: int
) -> asyncssh.SSHListener:
    try:
        return await connection.forward_local_port(LOOPBACK, local_port, LOOPBACK, remote_port)
    except asyncssh.Error as error:
        message = f"{login.place} does not forward to its port {remote_port}: {error}"
        raise HostUnreachable(message) from error


async def _closed(connection: asyncssh.SSHClientConnection) -> None:
    connection.abort()
    await connection.wait_closed()
