"""What a host is asked to do: bring weights, or serve with an engine. Identity is a hash of it."""

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
    path: str = Field(
        default="", description="Folder of the host that has the files: verified, not fetched"
    )
    total_bytes_hint: int = Field(default=0, ge=0, description="For messages before the listing")

    @property
    def kind(self) -> Kind:
        """What its runner is called on the host."""
        return "weights"

    @property
    def id(self) -> str:
        """Hash of everything that decides which files are fetched; ids from before `path` stay."""
        left_out = {"total_bytes_hint", *(() if self.path else ("path",))}
        return _hash(self.model_dump(mode="json", exclude=left_out))


class Installation(BaseModel):
    """Which engine release a job needs, and what to install it from where the host lacks it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    version: str
    exact: bool = Field(default=False, description="Whether an image of one's own must match it")
    own: str = Field(default="", description="`engine-version` of the order's image, where known")
    python: str = Field(default="", description="Interpreter that the locked files are made for")
    index: str = Field(default="", description="Package index; empty: the host's own")
    lock: str = Field(default="", description="Files by hash; empty: it cannot be installed")
    lock_id: str = ""
    fetch_bytes: int = 0

    @property
    def release(self) -> str:
        """`vllm-0.33.0`, as `own` spells it."""
        return f"{self.engine}-{self.version}"


HOW_IT_STOPS: Final = "--shutdown-timeout"
"""A flag with a value that changes nothing about what is served: no engine starts again for it."""
FIRST_RELEASES: Final = ("vllm-0.32.0", "sglang-0.5.23", "llamacpp-b11434")
"""What the first version of this package ran where no version was set. Jobs of these releases keep
the ids that they had before jobs named a release, so that an upgrade restarts nothing."""


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
    tls_port: int = Field(
        default=0, ge=0, lt=65536, description="Where TLS ends on the host; 0: no such door"
    )
    tls_names: tuple[str, ...] = Field(
        default=(), description="Names that clients know the host by, for its certificate"
    )
    install: Installation | None = Field(
        default=None, description="None: whatever the host has on its PATH"
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
        were, and no engine is started again for it. Of the installation only the release counts.
        """
        new = ("repository", "revision", "tls_port")
        empty = {name for name in new if not getattr(self, name)}
        aside = {"estimate_s", "install", "tls_names", *empty}
        known = self.model_dump(mode="json", exclude=aside)
        known["argv"] = without(known["argv"], HOW_IT_STOPS)
        if self.install and self.install.release not in FIRST_RELEASES:
            known["release"] = self.install.release
        return _hash(known)

    def on_image(self, own: str) -> "ServeJob":
        """The same job, told what the order's image brought (`vllm-0.32.0`; empty: unknown)."""
        if self.install is None:
            return self
        known: dict[str, Any] = {"own": own}
        if own == self.install.release:
            known |= {"lock": "", "fetch_bytes": 0}  # nothing is installed, so nothing travels
        return self.model_copy(update={"install": self.install.model_copy(update=known)})


Job = FetchJob | ServeJob


def without(argv: list[str], flag: str) -> list[str]:
    """`argv` without a flag and its value."""
    if flag not in argv:
        return argv
    at = argv.index(flag)
    return [*argv[:at], *argv[at + 2 :]]


def _hash(document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
