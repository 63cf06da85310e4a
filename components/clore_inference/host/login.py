"""The way onto a host: where it is, whose key opens it, which key it must show."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from clore_inference.secret import Secret

HOST_PATTERN: Final = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}"
)
"""A name or an address; what the marketplace says of a host is untrusted text."""


@dataclass(frozen=True)
class Login:
    """SSH access to one host; without `host_key` it is good for scanning only."""

    host: str
    port: int
    private_key: Secret = field(repr=False)
    user: str = "root"
    host_key: str | None = None
    """The pinned key as an OpenSSH public key line, `ssh-ed25519 AAAA...`."""

    def __post_init__(self) -> None:
        if not HOST_PATTERN.fullmatch(self.host):
            message = f"{self.host[:80]!r} is neither a host name nor an address"
            raise ValueError(message)
        if not 0 < self.port < 65536:
            message = f"{self.port} is not a TCP port"
            raise ValueError(message)

    @property
    def place(self) -> str:
        """Host and port, as messages name them."""
        return f"{self.host}:{self.port}"
