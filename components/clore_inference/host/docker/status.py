"""What a Docker engine says of the engine's container, in one bounded question."""

from __future__ import annotations

import asyncio
from typing import Any

from clore_inference.errors import HostUnreachable
from clore_inference.host.bootstrap import supervisor_command
from clore_inference.host.docker.api import Docker, DockerRefused
from clore_inference.host.docker.container import NOT_FOUND
from clore_inference.host.docker.place import ContainerPlace
from clore_inference.host.ssh import in_loop
from clore_inference.host.status import EngineStatus, read_status


def container_status(place: ContainerPlace, *, timeout_s: float) -> EngineStatus:
    """Ask once; never raises for the network. `timeout_s` is in real seconds."""
    try:
        return in_loop(asyncio.wait_for(_asked(place, timeout_s), timeout_s))
    except TimeoutError:
        return EngineStatus("unreachable", reason=f"no answer within {timeout_s:g} s")
    except (HostUnreachable, DockerRefused, OSError) as error:
        return EngineStatus("unreachable", reason=str(error))


async def _asked(place: ContainerPlace, timeout_s: float) -> EngineStatus:
    async with Docker(place.daemon).kept() as docker:
        try:
            found = await docker.call("GET", f"/containers/{place.name}/json")
        except DockerRefused as error:
            if error.status != NOT_FOUND:
                raise
            return EngineStatus("absent", reason="its container does not exist")
        state: dict[str, Any] = found["State"]
        if not state.get("Running"):
            killed = ", out of memory" if state.get("OOMKilled") else ""
            reason = f"its container ended with exit code {state.get('ExitCode')}{killed}"
            return EngineStatus("dead", reason=reason)
        command = ["/bin/sh", "-c", supervisor_command("status", "engine")]
        answer = await docker.run(place.name, command, timeout_s=timeout_s)
    if answer.code != 0:
        return EngineStatus("unreachable", reason=f"its supervisor answers {answer.stderr[-200:]}")
    return read_status(answer.stdout)
