"""Keys: the SSH key pair of a deployment and the key of its endpoint."""

import pulumi
from pulumi.dynamic import Resource

from clore_inference.providers import KeysProvider


class Keys(Resource, module="clore", name="Keys"):
    """Drawn once and kept in the state as secrets; the public key is the only readable part."""

    private_key: pulumi.Output[str]
    """OpenSSH private key, ed25519. Secret."""
    public_key: pulumi.Output[str]
    """OpenSSH public key line."""
    endpoint_key: pulumi.Output[str]
    """What callers send as `Authorization: Bearer`. Secret."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["private_key", "endpoint_key"])
        super().__init__(
            KeysProvider(),
            name,
            {"private_key": None, "public_key": None, "endpoint_key": None},
            pulumi.ResourceOptions.merge(secret, opts),
        )
