"""An SSH server on loopback that runs what it is told on this machine, for programs of a few lines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import asyncssh

WAIT_S = 10.0


@dataclass(frozen=True)
class SshServer:
    """Where it listens, the key that opens it, and the key that it shows."""

    port: int
    private_key: str
    host_key: str


async def _pump(source: Any, sink: Any, *, ends: bool = True) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
        if ends:
            sink.close()


async def _run(process: asyncssh.SSHServerProcess[bytes]) -> None:
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command or "true",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdin
    assert child.stdout
    assert child.stderr
    feeding = asyncio.create_task(_pump(process.stdin, child.stdin))
    await asyncio.gather(
        _pump(child.stdout, process.stdout, ends=False),
        _pump(child.stderr, process.stderr, ends=False),
    )
    process.exit(await child.wait())  # after everything that was said, and before the channel's end
    feeding.cancel()
    await process.wait_closed()


@contextmanager
def ssh_server() -> Iterator[SshServer]:
    """Serve from a thread until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    user, host = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))

    async def listen() -> asyncssh.SSHAcceptor:
        allowed = asyncssh.import_authorized_keys(user.export_public_key().decode())
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host],
            authorized_client_keys=allowed,
            process_factory=_run,
            encoding=None,
        )

    async def stop(server: asyncssh.SSHAcceptor) -> None:
        server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(WAIT_S)
    try:
        yield SshServer(
            port=server.get_port(),
            private_key=user.export_private_key().decode(),
            host_key=host.export_public_key().decode().strip(),
        )
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
