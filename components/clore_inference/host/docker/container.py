"""A shell in a container: jobs are started, followed and asked about as over SSH on an order.

The engine's container is Pulumi's; the one that fetches weights is made here, lives as long as the
fetch, and is adopted by name where an earlier call left it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from clore_inference.errors import HostRejected
from clore_inference.host.attest import SCRIPT, HostRequirement, complete, parse, shortfalls
from clore_inference.host.docker.api import Docker, DockerRefused
from clore_inference.host.docker.daemon import unreachable
from clore_inference.host.docker.place import ContainerPlace
from clore_inference.host.ssh import Output

ATTEST_TIMEOUT_S: Final = 60.0
"""Real seconds; a first nvidia-smi without the persistence daemon takes 10 to 20."""
NOT_FOUND: Final = 404
TAKEN: Final = 409
NO_PYTHON: Final = 69
"""How the first process ends where it finds none; `bootstrap.FIND_PYTHON`."""
CAUSES: Final = (
    ("could not select device driver", "install the NVIDIA Container Toolkit on it"),
    ("No such image", "pull the image there; `docker pull` says why it does not arrive"),
    ("port is already allocated", "set dockerPort to a free port"),
)
"""Words of the Docker engine, and what helps."""


@dataclass(frozen=True)
class ContainerShell:
    """Runs commands in a container."""

    docker: Docker
    name: str

    async def run(self, command: str, *, stdin: str = "", timeout_s: float) -> Output:
        """Run POSIX shell; raises HostUnreachable when the container or its engine does not answer."""
        try:
            return await self.docker.run(
                self.name, ["/bin/sh", "-c", command], stdin=stdin, timeout_s=timeout_s
            )
        except DockerRefused as error:
            raise unreachable(self.docker.daemon, error) from error


@asynccontextmanager
async def container_shell(place: ContainerPlace) -> AsyncIterator[ContainerShell]:
    """The container, made and started where it is to be; raises HostRejected where it cannot be."""
    async with Docker(place.daemon).kept() as docker:
        await _up(docker, place)
        shell = ContainerShell(docker, place.name)
        if place.requirement is not None:
            await _attest(shell, place, place.requirement)
        yield shell


async def put_away(place: ContainerPlace) -> None:
    """Remove a container that was made here; what it fetched lies on its volume."""
    if place.make is None:
        return
    try:
        await Docker(place.daemon).call("DELETE", f"/containers/{place.name}?force=true&v=false")
    except DockerRefused as error:
        if error.status not in (NOT_FOUND, TAKEN):  # gone, or somebody else is at it
            raise


async def _up(docker: Docker, place: ContainerPlace) -> None:
    try:
        found = await _inspected(docker, place.name)
        if found is None and place.make is not None:
            await _made(docker, place)
            found = await _inspected(docker, place.name)
        if found is None:
            raise _refused(place, "it does not exist; `pulumi up` makes it again")
        state = found["State"]
        if state.get("Running"):
            return
        if place.make is None:
            raise _refused(place, f"it ended with exit code {state.get('ExitCode')}")
        if state.get("ExitCode") == NO_PYTHON:
            raise _refused(place, "its image has no Python 3.9 or newer on its PATH")
        await docker.call("POST", f"/containers/{place.name}/start")
    except DockerRefused as error:
        raise _refused(place, error.text) from error


async def _made(docker: Docker, place: ContainerPlace) -> None:
    try:
        await docker.call("POST", f"/containers/create?name={place.name}", place.make)
    except DockerRefused as error:
        if error.status != TAKEN:  # somebody else made the same one meanwhile
            raise


async def _inspected(docker: Docker, name: str) -> dict[str, Any] | None:
    try:
        return dict(await docker.call("GET", f"/containers/{name}/json"))
    except DockerRefused as error:
        if error.status == NOT_FOUND:
            return None
        raise


async def _attest(shell: ContainerShell, place: ContainerPlace, wanted: HostRequirement) -> None:
    answer = await shell.run(SCRIPT, timeout_s=ATTEST_TIMEOUT_S)
    if not complete(answer.stdout):
        raise unreachable(place.daemon, "the session ended before it had answered")
    lacks = shortfalls(parse(answer.stdout), wanted)
    if lacks:
        raise _refused(place, "; ".join(lacks), fix="Choose another topology, engine or host")


def _refused(place: ContainerPlace, reason: str, *, fix: str = "") -> HostRejected:
    help_ = next((text for words, text in CAUSES if words in reason), "")
    advice = fix or (help_[:1].upper() + help_[1:])
    return HostRejected(
        f"the {place.place} cannot do this: {reason.rstrip('.')}. Nothing else was changed."
        f"{f' {advice}.' if advice else ''} Then run `pulumi up` again.",
        reason=reason,
    )
