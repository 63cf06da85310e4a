"""What the market side asks of the host side and of the hub.

The market knows orders, prices and promises. Whoever runs the rented hosts gets two plain
documents per order and reports where the host can be reached:

`order`:  {"id", "server_id", "account", "image", "ports": {"22": "tcp", "8000": "http"}, "env",
          "command", "ssh_key", "ssh_password", "jupyter_token", "autossh_entrypoint", "created_at",
          "address": null or an address recorded before a restart}
`server`: the marketplace row of the server, plus "truth": what the machine really is,
          {"gpu", "gpu_count", "gpu_memory_mib", "driver", "cuda", "disk_free_gb", "memory_gb",
          "shm_gb", "down_mbps", "deploys", "ssh", "http", ...} (see `market/truth.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class HostAddress(Protocol):
    """Where a started host is reached on loopback."""

    @property
    def ssh_port_public(self) -> int | None:
        """Public port of container port 22; None when the host has no SSH."""

    @property
    def http_port_public(self) -> int | None:
        """Port of the public HTTP name; None when no http port was asked for."""

    @property
    def relay(self) -> Mapping[int, int]:
        """Container TCP port to public port."""


class Hosts(Protocol):
    """The rented machines of one emulator."""

    async def start(self, order: dict[str, Any], server: dict[str, Any]) -> HostAddress:
        """Bring up the host of an order and return where it is reached."""

    async def stop(self, order_id: int) -> None:
        """End the host and everything on it; no error when there is none."""

    async def disappear(self, order_id: int) -> None:
        """The machine is gone: everything on it ends, its ports refuse."""

    def freeze(self, order_id: int) -> None:
        """The machine hangs: connections are taken and never answered."""

    def thaw(self, order_id: int) -> None:
        """A frozen machine goes on."""

    async def restart_container(self, order_id: int) -> None:
        """Everything on the host ends and the container starts again with the same files."""

    def set_engine_faults(self, order_id: int, document: str) -> None:
        """Hand a JSON document of engine faults to the engines of a host."""

    async def bring_back(self, orders: Sequence[dict[str, Any]]) -> Mapping[int, HostAddress]:
        """Bring up the hosts of orders that were active before a restart, on their old ports.

        Each document is an order as above with "server" beside it; returns what came back.
        """

    async def close(self) -> None:
        """End every host but keep its disk: the emulator stops, and may bring them back."""
