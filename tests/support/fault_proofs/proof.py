"""Where proofs of faults are entered, and what they look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from clore_emulator.lodging import NoHosts
from clore_emulator.seams import HostAddress
from support.emulated import Emulated

Proof = Callable[[Emulated], None]


PROOFS: Final[dict[str, Proof]] = {}


def proves(name: str) -> Callable[[Proof], Proof]:
    def enter(proof: Proof) -> Proof:
        assert name not in PROOFS, f"{name} is proven twice"
        PROOFS[name] = proof
        return proof

    return enter


class RecordingHosts(NoHosts):
    """Hosts that only note what they were told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int]] = []
        self.truths: dict[int, Mapping[str, Any]] = {}

    async def start(self, order: dict[str, Any], server: dict[str, Any]) -> HostAddress:
        self.truths[order["id"]] = server["truth"]
        return await super().start(order, server)

    async def stop(self, order_id: int) -> None:
        self.told.append(("stop", order_id))
        await super().stop(order_id)

    async def disappear(self, order_id: int) -> None:
        self.told.append(("disappear", order_id))

    def freeze(self, order_id: int) -> None:
        self.told.append(("freeze", order_id))

    async def restart_container(self, order_id: int) -> None:
        self.told.append(("restart", order_id))

    async def bring_back(self, orders: Sequence[dict[str, Any]]) -> Mapping[int, HostAddress]:
        return await super().bring_back(orders)


def hosts_of(market: Emulated) -> RecordingHosts:
    hosts = market.world.lodging.hosts
    assert isinstance(hosts, RecordingHosts)
    return hosts


def active(market: Emulated) -> list[int]:
    return [order["id"] for order in market.ledger()["active_orders"]]
