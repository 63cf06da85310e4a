"""A command on another machine, over SSH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncssh

from commands.run import Collector, CommandError, Job, Output, Stream

FIRST_DELAY_S: Final = 0.1
BACKOFF: Final = 1.5
LONGEST_DELAY_S: Final = 5.0
"""Between attempts to connect, as the official plugin waits (sdk/go/common/util/retry)."""

PIECE_BYTES: Final = 64 * 1024


def run_remote(job: Job) -> Output:
    """Run the command and return its output; CommandError unless it ends with 0."""
    return asyncio.run(_run_until_stopped(job))


async def _run_until_stopped(job: Job) -> Output:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(_run(job))

    def cancel() -> None:
        loop.call_soon_threadsafe(task.cancel)

    job.stop.on_ask(cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise CommandError("context canceled") from None


async def _run(job: Job) -> Output:
    collector = Collector(job)
    async with _connected(job) as connection:
        process = await connection.create_process(
            job.command, env=job.environment(), encoding=None, request_pty=False
        )
        process.stdin.write(job.stdin)
        process.stdin.write_eof()
        await asyncio.gather(
            _pump(collector, "stdout", process.stdout), _pump(collector, "stderr", process.stderr)
        )
        ended = await process.wait()
    output = collector.output()
    if ended.exit_status != 0:
        raise job.failure(_reason(ended), bytes(collector.everything))
    return output


def _reason(ended: asyncssh.SSHCompletedProcess) -> str:
    if ended.exit_signal:
        return f"Process exited with status 128 from signal {ended.exit_signal[0]}"
    if ended.exit_status is None:
        return "wait: remote command exited without exit status or exit signal"
    return f"Process exited with status {ended.exit_status}"


async def _pump(collector: Collector, stream: Stream, reader: asyncssh.SSHReader[bytes]) -> None:
    while data := await reader.read(PIECE_BYTES):
        collector.take(stream, data)


@asynccontextmanager
async def _connected(job: Job) -> AsyncIterator[asyncssh.SSHClientConnection]:
    wanted = job.inputs["connection"]
    connection = await _dial(job, wanted)
    try:
        yield connection
    finally:
        connection.abort()


async def _dial(job: Job, wanted: dict[str, Any]) -> asyncssh.SSHClientConnection:
    """Connect, again and again up to the limit; -1 is no limit."""
    limit = int(wanted["dialErrorLimit"])
    options = connect_options(wanted)
    delay_s, failed = FIRST_DELAY_S, 0
    while True:
        try:
            return await asyncssh.connect(**options)
        except (OSError, asyncssh.Error, TimeoutError) as problem:
            failed += 1
            if limit >= 0 and failed > limit:
                text = f"after {failed - 1} failed attempts: {_words(problem)}"
                raise CommandError(job.redacted(text)) from None
        shown = "inf" if limit < 0 else str(limit)
        job.say(f"Dial {failed}/{shown} failed: retrying")
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * BACKOFF, LONGEST_DELAY_S)


def _words(problem: BaseException) -> str:
    return str(problem) or type(problem).__name__


def connect_options(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for asyncssh; nothing of the user's own SSH configuration is read."""
    options: dict[str, Any] = {
        "host": wanted["host"],
        "port": int(wanted["port"]),
        "username": wanted["user"],
        "config": None,
        "known_hosts": None,
        "client_keys": None,
        "agent_path": wanted.get("agentSocketPath"),
        "connect_timeout": float(wanted["perDialTimeout"]) or None,
        "login_timeout": float(wanted["perDialTimeout"]) or None,
    }
    if host_key := wanted.get("hostKey"):
        options["known_hosts"] = ([asyncssh.import_public_key(host_key)], [], [])
    if private_key := wanted.get("privateKey"):
        passphrase = wanted.get("privateKeyPassword")
        options["client_keys"] = [asyncssh.import_private_key(private_key, passphrase)]
    if password := wanted.get("password"):
        options["password"] = password
    return options
