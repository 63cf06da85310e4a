"""The endpoint under proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clore_inference.secret import Secret

REQUEST_TIMEOUT_S: Final = 60.0
"""Real seconds for one answer; 512 tokens at 45 tokens/s, the slowest supported shape, take 12."""


@dataclass(frozen=True)
class Target:
    """Where an endpoint is and what it should be; `base_url` stands before `/v1`."""

    base_url: str
    key: Secret
    model: str
    timeout_s: float = REQUEST_TIMEOUT_S
    certificate: str = ""
    """PEM that TLS must show; empty: whatever the public authorities vouch for."""

    def url(self, path: str) -> str:
        """Return the address of a route."""
        return self.base_url.rstrip("/") + path
