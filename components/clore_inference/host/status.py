"""What an engine's own host says of it, in one bounded question."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import asyncssh

from clore_inference.errors import HostUnreachable, TrustError
from clore_inference.host import ssh
from clore_inference.host.bootstrap import supervisor_command
from clore_inference.host.login import Login

EngineState = Literal["running", "loading", "dead", "absent", "unreachable"]


@dataclass(frozen=True)
class EngineStatus:
    """`dead` and `absent` are what the host itself answered; `unreachable` says nothing."""

    state: EngineState
    start_id: str = ""
    reason: str = ""


def engine_status(login: Login, *, timeout_s: float) -> EngineStatus:
    """Ask the host once; never raises for the network. `timeout_s` is in real seconds."""
    try:
        answer = ssh.in_loop(asyncio.wait_for(_asked(login, timeout_s), timeout_s))
    except TimeoutError:
        return EngineStatus("unreachable", reason=f"no answer within {timeout_s:g} s")
    except (HostUnreachable, TrustError, OSError, asyncssh.Error) as error:
        return EngineStatus("unreachable", reason=str(error))
    if answer.code != 0:
        reason = answer.stderr.strip().splitlines()[-1:] or ["no reason given"]
        return EngineStatus("unreachable", reason=f"its supervisor answers: {reason[0]}")
    return read_status(answer.stdout)


async def _asked(login: Login, timeout_s: float) -> ssh.Output:
    async with ssh.connected(login, timeout_s=timeout_s) as connection:
        command = supervisor_command("status", "engine")
        return await ssh.run(connection, command, timeout_s=timeout_s)


def read_status(text: str) -> EngineStatus:
    """The meaning of the supervisor's answer; pure."""
    if not text.strip():
        return EngineStatus("absent", reason="no job was ever started on this host")
    try:
        said: Mapping[str, Any] = json.loads(text)
    except ValueError:
        return EngineStatus("unreachable", reason="its answer is not understood")
    start_id = str(said.get("start_id") or "")
    state, reason = _meaning(said)
    return EngineStatus(state, start_id, reason)


def _meaning(said: Mapping[str, Any]) -> tuple[EngineState, str]:
    state, alive = said.get("state"), bool(said.get("alive"))
    if state == "absent":
        return "absent", "no engine was ever started on this host"
    if state == "failed":
        failure = said.get("failure") or {}
        reason = f"{failure.get('kind')}: {failure.get('text')}"
        return "dead", f"{reason} (what ran before goes on)" if said.get("kept") else reason
    if state == "running" and (alive or said.get("engine_alive")):
        return "running", ""
    if state in ("stopped", "stopping"):
        return "dead", "it was stopped"
    if alive:
        return "loading", str(said.get("stage") or "")
    return "dead", f"its supervisor ended while it was {state}"
