"""The local process that follows a job on a host: how it is started, and its document.

The command replaces its shell (`exec`), so that Ctrl-C reaches the follower itself.
"""

import shlex
import sys
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clore_inference.host.docker.place import ContainerPlace
from clore_inference.host.job import FetchJob, Job, Kind, ServeJob
from clore_inference.host.login import Login
from clore_inference.secret import Secret


class FollowDocument(BaseModel):
    """What a follower needs; secret, since it holds the SSH key, the token and the keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["weights", "engine"]
    job: FetchJob | ServeJob
    host: str = ""
    port: int = 22
    user: str = "root"
    host_key: str = ""
    private_key: str = Field(default="", repr=False)
    container: ContainerPlace | None = None
    """The host, where it is a container; else it is reached over SSH with the words above."""
    token: str = Field(default="", repr=False)
    endpoint_keys: str = Field(default="", repr=False)
    scale: float = 1.0
    deadline_s: float
    cost_note: str = ""

    @property
    def place(self) -> Login | ContainerPlace:
        """The way onto the host."""
        if self.container is not None:
            return self.container
        return Login(
            host=self.host,
            port=self.port,
            user=self.user,
            private_key=Secret(self.private_key),
            host_key=self.host_key,
        )

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What must not appear in anything that the follower prints."""
        lines = [line for line in self.private_key.splitlines() if "PRIVATE KEY" not in line]
        values = [self.token, self.endpoint_keys, self.private_key, *lines]
        return tuple(Secret(value) for value in values if value)


def follow_command(kind: Kind) -> str:
    """Shell for local.Command: one follower process in the shell's place."""
    return f"exec {shlex.quote(sys.executable)} -P -m clore_inference.host.follow --kind {kind}"


def follow_document(
    job: Job,
    place: Login | ContainerPlace,
    *,
    deadline_s: float,
    token: Secret | None = None,
    endpoint_keys: Secret | None = None,
    scale: float = 1.0,
    cost_note: str = "",
) -> str:
    """The document for a follower's standard input.

    `deadline_s` is in marketplace seconds, `scale` is the speed of the marketplace's clock.
    `cost_note` says what a failure costs, for example "order 123 goes on at 1.72 USD/h".
    """
    way = {"container": place} if isinstance(place, ContainerPlace) else _over_ssh(place)
    return FollowDocument(
        kind=job.kind,
        job=job,
        token=token.reveal() if token else "",
        endpoint_keys=endpoint_keys.reveal() if endpoint_keys else "",
        scale=scale,
        deadline_s=deadline_s,
        cost_note=cost_note,
        **way,
    ).model_dump_json()


def _over_ssh(login: Login) -> dict[str, Any]:
    if login.host_key is None:
        message = f"{login.place} has no pinned host key, so it cannot be followed"
        raise ValueError(message)
    return {
        "host": login.host,
        "port": login.port,
        "user": login.user,
        "host_key": login.host_key,
        "private_key": login.private_key.reveal(),
    }
