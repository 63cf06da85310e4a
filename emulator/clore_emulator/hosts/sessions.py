"""What happens in an SSH session: a command or a shell, with pipes or on a terminal.

As with OpenSSH, a session without a terminal ends when the program has ended and everything that
holds its output has closed it; losing the connection closes the pipes and kills nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncssh

from clore_emulator.hosts.children import Children

Session = asyncssh.SSHServerProcess[bytes]

_CHUNK_BYTES = 64 * 1024


def handler(children: Children) -> Callable[[Session], Awaitable[None]]:
    """The process factory of the SSH server."""

    async def handle(session: Session) -> None:
        # A client that goes away in the middle is no fault of the host.
        with contextlib.suppress(asyncssh.Error, OSError):
            if session.term_type:
                await _on_terminal(session, children)
            else:
                await _with_pipes(session, children)

    return handle


@dataclass
class _Pipe:
    """Our end of a pipe to a child."""

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


async def _with_pipes(session: Session, children: Children) -> None:
    stdin, our_stdin = os.pipe()
    our_stdout, stdout = os.pipe()
    our_stderr, stderr = os.pipe()
    try:
        child, ended = children.start(
            _argv(session, children), stdin=stdin, stdout=stdout, stderr=stderr
        )
    finally:
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
    writer = await _write_end(our_stdin)
    pipes = [await _read_end(our_stdout), await _read_end(our_stderr)]
    feed = asyncio.create_task(_feed(session, writer, child))
    drains = asyncio.gather(
        _drain(pipes[0].reader, session.stdout), _drain(pipes[1].reader, session.stderr)
    )
    try:
        await _until_lost(session, _both(drains, ended))
        _exit(session, ended.result() if ended.done() else 255)
    finally:
        feed.cancel()
        drains.cancel()
        writer.close()
        for pipe in pipes:
            pipe.transport.close()


async def _on_terminal(session: Session, children: Children) -> None:
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    _resize(ours, session.term_size)
    # The first terminal that a session leader opens becomes its controlling terminal.
    argv = ["/bin/sh", "-c", 'exec <"$0" >"$0" 2>&1; exec "$@"', name, *_argv(session, children)]
    child, ended = children.start(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        extra={"TERM": session.term_type or "dumb"},
    )
    pipe, writer = await _read_end(os.dup(ours)), await _write_end(ours)
    feed = asyncio.create_task(_feed(session, writer, child, terminal=ours))
    drain = asyncio.ensure_future(_drain(pipe.reader, session.stdout))
    ended.add_done_callback(lambda _: os.close(theirs))
    try:
        await _until_lost(session, _both(drain, ended))
        _exit(session, ended.result() if ended.done() else 255)
    finally:
        feed.cancel()
        drain.cancel()
        writer.close()
        pipe.transport.close()


def _argv(session: Session, children: Children) -> Sequence[str]:
    if session.command is not None:
        return ["/bin/sh", "-c", session.command]
    return [children.environment["SHELL"], "-l"]


async def _both(drained: Awaitable[object], ended: asyncio.Future[int]) -> None:
    await drained
    await asyncio.shield(ended)


async def _until_lost(session: Session, work: Awaitable[None]) -> None:
    """Wait for the work, or until the client has gone."""
    working = asyncio.ensure_future(work)
    closed = asyncio.ensure_future(session.wait_closed())
    try:
        await asyncio.wait({working, closed}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        closed.cancel()


async def _feed(
    session: Session,
    writer: asyncio.StreamWriter,
    child: subprocess.Popen[bytes],
    terminal: int | None = None,
) -> None:
    """Pass on what the client sends: bytes, the end of input, signals, window sizes."""
    while True:
        try:
            chunk = await session.stdin.read(_CHUNK_BYTES)
        except asyncssh.SignalReceived as received:
            _send(child, received.signal)
            continue
        except asyncssh.BreakReceived:
            _send(child, "INT")
            continue
        except asyncssh.TerminalSizeChanged as changed:
            if terminal is not None:
                _resize(terminal, changed.term_size)
            continue
        except (asyncssh.Error, OSError):
            break
        if not chunk:
            break
        try:
            writer.write(chunk)
            await writer.drain()
        except OSError:
            # The program reads no more; signals can still come.
            continue
    writer.close()


def _send(child: subprocess.Popen[bytes], name: str) -> None:
    with contextlib.suppress(KeyError, OSError):
        os.killpg(child.pid, signal.Signals[f"SIG{name}"])


def _resize(terminal: int, size: tuple[int, int, int, int]) -> None:
    width, height, pixels_wide, pixels_high = size
    packed = struct.pack("HHHH", height, width, pixels_wide, pixels_high)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)


async def _drain(reader: asyncio.StreamReader, writer: asyncssh.SSHWriter[bytes]) -> None:
    # A terminal answers EIO when its last program has closed it.
    with contextlib.suppress(OSError, asyncssh.Error):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


def _exit(session: Session, status: int) -> None:
    if status < 0:
        session.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
    else:
        session.exit(status)


async def _read_end(descriptor: int) -> _Pipe:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return _Pipe(reader, transport)


async def _write_end(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(descriptor, "wb", buffering=0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
