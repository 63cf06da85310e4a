"""Faults that hold or kill the client at an exact point of the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Final

from clore_emulator.answer import DROP, Answer

from .call import Call
from .peer import process_of
from .registry import ANY, Firing, Parameter, fault

LAST_RESERVED_PID: Final = 1
"""Process 1 is the machine's own, and 0 would be our own group."""


@fault(
    "kill",
    "SIGKILL for a process, a process group, or whoever sent the request, at this very point.",
    on=ANY,
    any_phase=True,
    parameters=(
        Parameter("pid", int, None, "the process"),
        Parameter("pgid", int, None, "the process group"),
        Parameter("ancestors", int, 0, "without pid and pgid: the sender, or its n-th parent"),
    ),
)
async def _kill(call: Call, firing: Firing) -> Answer | None:
    pid, pgid = firing.args["pid"], firing.args["pgid"]
    if pid is None and pgid is None and call.connection is not None:
        ancestors = int(firing.number("ancestors"))
        pid = await asyncio.to_thread(process_of, call.connection, ancestors)
    with contextlib.suppress(ProcessLookupError):
        if pgid is not None and _may_end(pgid) and pgid != os.getpgrp():
            os.killpg(pgid, signal.SIGKILL)
        if pid is not None and _may_end(pid):
            os.kill(pid, signal.SIGKILL)
    # A client that died before its request was handled has, for the market, sent none.
    return DROP


def _may_end(number: int) -> bool:
    return number > LAST_RESERVED_PID and number not in (os.getpid(), os.getppid())


@fault(
    "pause",
    "The request waits at this point until its name is released by POST /_admin/release.",
    on=ANY,
    any_phase=True,
    parameters=(Parameter("name", str, "pause", "what to release"),),
)
async def _pause(call: Call, firing: Firing) -> Answer | None:
    await call.pauses.wait(firing.text("name"))
    return None


@fault(
    "delay",
    "The request waits so many virtual seconds at this point.",
    on=ANY,
    any_phase=True,
    parameters=(Parameter("seconds", float, 5.0, "virtual seconds"),),
)
async def _delay(call: Call, firing: Firing) -> Answer | None:
    await call.clock.sleep(firing.number("seconds"))
    return None
