"""Follows one job on a host: `python -m clore_inference.host.follow --kind weights|engine`.

Reads its document (`following.py`) on standard input. Prints throttled lines, then one line of JSON
with the result; or ends with 1 and a named failure on standard error. It reconnects, keeps its
deadline, starts a job again that is neither running nor complete, and dies at once on Ctrl-C, which
leaves the job alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn, assert_never

import asyncssh

from clore_inference.clock import Clock, WallClock
from clore_inference.errors import (
    CloreInferenceError,
    EngineFailed,
    HostRejected,
    HostUnreachable,
    WeightsFailed,
)
from clore_inference.host.bootstrap import start_command, start_document, supervisor_command
from clore_inference.host.docker.container import put_away
from clore_inference.host.docker.place import ContainerPlace
from clore_inference.host.failure import NEXT, job_error
from clore_inference.host.following import FollowDocument
from clore_inference.host.job import FetchJob
from clore_inference.host.progress import Progress
from clore_inference.host.shell import Shell, shell_on
from clore_inference.host.verdict import Done, Failure, StartAgain, Verdict, Wait, judge
from clore_inference.secret import Secret, redact
from clore_inference.units import duration

POLL_REAL_S: Final = 1.0
ASK_TIMEOUT_REAL_S: Final = 30.0
START_TIMEOUT_REAL_S: Final = 120.0
BETWEEN_CONNECTIONS_S: Final = 5.0
"""Marketplace seconds between two tries to reach the host again."""
RESTARTS_OF_A_FAILURE: Final = 1
RESTARTS_OF_AN_INTERRUPTION: Final = 3


class Follower:
    """Follows one job from here until it is done, failed, or out of time."""

    def __init__(
        self, document: FollowDocument, *, clock: Clock, say: Callable[[str], None]
    ) -> None:
        self._document = document
        self._clock = clock
        self._say = say
        self._parent = os.getppid()
        self._started = clock.now()
        self._starts = 0
        job = document.job
        self._progress = Progress(
            document.kind,
            total_bytes_hint=job.total_bytes_hint if isinstance(job, FetchJob) else 0,
            estimate_s=0 if isinstance(job, FetchJob) else job.estimate_s,
        )

    async def follow(self) -> dict[str, Any]:
        """Return the result of the job; raises WeightsFailed, EngineFailed or HostUnreachable."""
        lost = ""
        while True:
            try:
                async with shell_on(self._document.place) as shell:
                    lost = ""
                    return await self._follow(shell)
            except (HostUnreachable, OSError, TimeoutError, asyncssh.Error) as error:
                if self._left_s() <= 0:
                    self._out_of_time(f"the host does not answer: {error}")
                if not lost:
                    self._say(f"{self._document.kind}: no connection to the host, trying again")
                lost = str(error)
            await self._sleep(min(BETWEEN_CONNECTIONS_S, self._left_s()))

    async def _follow(self, shell: Shell) -> dict[str, Any]:
        while True:
            status = await self._status(shell)
            verdict = judge(status, kind=self._document.kind, job=self._document.job.id)
            result = await self._act(shell, verdict, status)
            if result is not None:
                return result
            if self._left_s() <= 0:
                self._out_of_time(f"it is {status.get('state')}, {status.get('stage')}")
            if os.getppid() != self._parent:
                message = "the process that wanted this is gone; the job goes on by itself"
                raise CloreInferenceError(message)
            await asyncio.sleep(POLL_REAL_S)

    async def _act(
        self, shell: Shell, verdict: Verdict, status: dict[str, Any]
    ) -> dict[str, Any] | None:
        match verdict:
            case Wait():
                self._show(status)
            case Done(result=result):
                self._show(status)
                return result
            case StartAgain(reason=reason):
                await self._start(shell, reason)
            case Failure():
                await self._tell(shell, status)
                self._fail(verdict)
            case unexpected:
                assert_never(unexpected)
        return None

    def _show(self, status: dict[str, Any]) -> None:
        now = self._clock.now()
        line = self._progress.line(status, now_s=now, real_s=self._clock.real(now))
        if line:
            self._say(line)

    async def _status(self, shell: Shell) -> dict[str, Any]:
        command = supervisor_command("status", self._document.kind)
        answer = await shell.run(command, timeout_s=ASK_TIMEOUT_REAL_S)
        if answer.code != 0:
            self._fail(Failure("unexpected", f"its supervisor: {_last(answer.stderr)}", ()))
        return dict(json.loads(answer.stdout)) if answer.stdout.strip() else {"state": "absent"}

    async def _tell(self, shell: Shell, status: dict[str, Any]) -> None:
        """Let the host remember that this failure was shown: the next call tries again."""
        command = supervisor_command("told", self._document.kind, str(status["start_id"]))
        await shell.run(command, timeout_s=ASK_TIMEOUT_REAL_S)

    async def _start(self, shell: Shell, reason: str) -> None:
        document = self._document
        limit = RESTARTS_OF_A_FAILURE if "failed" in reason else RESTARTS_OF_AN_INTERRUPTION
        if self._starts >= limit:
            self._fail(Failure("interrupted", f"{reason}, {self._starts} times", ()))
        self._starts += 1
        self._say(f"{document.kind}: {reason}; it is started")
        text = start_document(
            document.job,
            token=Secret(document.token) if document.token else None,
            endpoint_keys=Secret(document.endpoint_keys) if document.endpoint_keys else None,
            scale=document.scale,
        )
        answer = await shell.run(start_command(), stdin=text, timeout_s=START_TIMEOUT_REAL_S)
        if answer.code != 0:
            self._fail(Failure("unexpected", f"its start: {_last(answer.stderr)}", ()))

    def _left_s(self) -> float:
        return self._started + self._document.deadline_s - self._clock.now()

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(self._clock.real(max(0.0, seconds)))

    def _fail(self, failure: Failure) -> NoReturn:
        document = self._document
        raise job_error(
            document.job, failure, place=document.place.place, cost_note=document.cost_note
        )

    def _out_of_time(self, why: str) -> NoReturn:
        document = self._document
        cost = f" {document.cost_note.rstrip('.')}." if document.cost_note else ""
        message = (
            f"the {document.kind} on {document.place.place} had {duration(document.deadline_s)} "
            f"and are not there: {why}. The job itself goes on.{cost} {NEXT}"
        )
        failed = WeightsFailed if document.kind == "weights" else EngineFailed
        raise failed(message, kind="deadline")


async def _followed(follower: Follower, document: FollowDocument) -> dict[str, Any]:
    """Follow to the end; a container that was made for this job goes with it."""
    place = document.place
    if not isinstance(place, ContainerPlace):
        return await follower.follow()
    try:
        result = await follower.follow()
    except (WeightsFailed, HostRejected) as error:
        if getattr(error, "kind", "") != "deadline":  # then the job itself goes on
            await put_away(place)
        raise
    await put_away(place)
    return result


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def main() -> int:
    """Follow what standard input asks for; the exit code is 0 only with a result."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parser = argparse.ArgumentParser(prog="clore_inference.host.follow", description=__doc__)
    parser.add_argument("--kind", choices=("weights", "engine"), required=True)
    kind = parser.parse_args().kind
    document = FollowDocument.model_validate_json(sys.stdin.read())
    if document.kind != kind:
        print(f"the document is for {document.kind}, not for {kind}", file=sys.stderr)
        return 2

    def say(line: str) -> None:
        print(redact(line, document.secrets), flush=True)

    follower = Follower(document, clock=WallClock(document.scale), say=say)
    try:
        result = asyncio.run(_followed(follower, document))
    except CloreInferenceError as error:
        print(redact(str(error), document.secrets), file=sys.stderr, flush=True)
        return 1
    say(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
