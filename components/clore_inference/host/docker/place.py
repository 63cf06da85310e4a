"""A container as a host: which one, on which Docker engine, and what makes it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from clore_inference.host.attest import HostRequirement
from clore_inference.host.docker.daemon import Daemon


class ContainerPlace(BaseModel):
    """One container of one Docker engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    host_key: str | None = None
    name: str
    make: dict[str, Any] | None = Field(
        default=None, description="Body of `POST /containers/create`; None: somebody else makes it"
    )
    requirement: HostRequirement | None = Field(
        default=None, description="What it must prove before the first job"
    )

    @property
    def daemon(self) -> Daemon:
        """The Docker engine that it runs on."""
        return Daemon(self.address, self.host_key)

    @property
    def place(self) -> str:
        """As messages name it."""
        return f"container {self.name} of {self.address}"
