"""The SSH key pair of a deployment and the key of its endpoint, drawn once."""

from __future__ import annotations

import secrets
from typing import Final

ENDPOINT_KEY_BYTES: Final = 32
"""256 bits of randomness."""


def create() -> dict[str, str]:
    """Draw an ed25519 key pair and an endpoint key; every value but the public key is secret."""
    import asyncssh  # noqa: PLC0415 - a quarter of a second that only a first `up` needs

    pair = asyncssh.generate_private_key("ssh-ed25519", comment="clore-inference")
    return {
        "private_key": pair.export_private_key().decode(),
        "public_key": pair.export_public_key().decode().strip(),
        "endpoint_key": f"ci-{secrets.token_urlsafe(ENDPOINT_KEY_BYTES)}",
    }
