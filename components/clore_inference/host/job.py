"""What a host is asked to do: bring weights, or serve with an engine. Identity is a hash of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

HUB: Final = "https://huggingface.co"

Kind = Literal["weights", "engine"]


class FetchJob(BaseModel):
    """The files of one repository at one revision; two engines that want the same files share it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    revision: str = "main"
    allow_patterns: tuple[str, ...] = ()
    ignore_patterns: tuple[str, ...] = ()
    endpoint: str = Field(default=HUB, description="Hub or mirror, without a trailing slash")
    total_bytes_hint: int = Field(default=0, ge=0, description="For messages before the listing")

    @property
    def kind(self) -> Kind:
        """What its runner is called on the host."""
        return "weights"

    @property
    def id(self) -> str:
        """Hash of everything that decides which files are fetched."""
        return _hash(self.model_dump(mode="json", exclude={"total_bytes_hint"}))


class ServeJob(BaseModel):
    """One engine: its command line, its environment, the door in front of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    argv: tuple[str, ...] = Field(min_length=1)
    environment: dict[str, str] = Field(default_factory=dict, description="Nothing secret")
    port: int = Field(default=8000, gt=0, lt=65536)
    exposure: Literal["private", "public"] = "private"
    served_model: str
    repository: str = Field(
        default="", description="Whose snapshot `{snapshot}` in argv stands for; empty: none"
    )
    revision: str = Field(default="", description="Branch, tag or commit of that snapshot")
    guard: dict[str, Any] = Field(
        default_factory=dict, description="Settings of serving/guard.py, without its files"
    )
    grace_s: float = Field(
        default=30, ge=0, description="Marketplace seconds for requests to finish at a stop"
    )
    estimate_s: float = Field(
        default=0, ge=0, description="Expected loading time in marketplace seconds, for messages"
    )

    @property
    def kind(self) -> Kind:
        """What its runner is called on the host."""
        return "engine"

    @property
    def id(self) -> str:
        """Hash of everything that another start would be needed for.

        An empty repository or revision is left out: ids from before they existed stay what they
        were, and no engine is started again for it.
        """
        empty = {name for name in ("repository", "revision") if not getattr(self, name)}
        return _hash(self.model_dump(mode="json", exclude={"estimate_s", *empty}))


Job = FetchJob | ServeJob


def _hash(document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
