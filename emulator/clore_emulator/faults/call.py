"""One request on its way through the marketplace, as faults see it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from clore_emulator.answer import Answer
from clore_emulator.clock import VirtualClock
from clore_emulator.exchange import Exchange, Tweaks
from clore_emulator.faults.peer import Connection
from clore_emulator.ledger import Account, Order
from clore_emulator.seams import Hosts

Phase = Literal["before", "after_commit", "after_answer"]
"""Before handling; after the marketplace did it, before the answer; after the answer went out."""

PHASES: Final[tuple[Phase, ...]] = ("before", "after_commit", "after_answer")

ENDPOINTS: Final = (
    "wallets",
    "marketplace",
    "my_orders",
    "spot_marketplace",
    "create_order",
    "cancel_order",
    "set_spot_price",
    "renter_fees",
)


class Pauses:
    """Places where requests wait until somebody lets them go."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Event]] = {}

    async def wait(self, name: str) -> None:
        """Hold the caller until the name is released."""
        event = asyncio.Event()
        self._waiting.setdefault(name, []).append(event)
        try:
            await event.wait()
        finally:
            self._waiting[name].remove(event)

    def waiting(self) -> dict[str, int]:
        """How many requests wait under each name."""
        return {name: len(events) for name, events in self._waiting.items() if events}

    def release(self, name: str | None = None) -> int:
        """Let go everything under a name, or everything; returns how many went."""
        names = list(self._waiting) if name is None else [name]
        events = [event for known in names for event in self._waiting.get(known, [])]
        for event in events:
            event.set()
        return len(events)


@dataclass
class Call:
    """What is known of a request, and what faults may change about it."""

    endpoint: str
    exchange: Exchange
    clock: VirtualClock
    pauses: Pauses
    hosts: Hosts
    account: Account | None = None
    body: Any = None
    connection: Connection | None = None
    """Where the request came in, if it came over loopback."""
    answer: Answer | None = None
    tweaks: Tweaks = field(default_factory=Tweaks)
    order_id: int | None = None
    """The order that the request created or cancelled."""
    foreign: bool = False
    violation: bool = False
    fired: list[str] = field(default_factory=list)
    follow_ups: list[dict[str, Any]] = field(default_factory=list)
    """Rules to arm for the requests after this one."""

    @property
    def account_name(self) -> str | None:
        return self.account.name if self.account else None

    @property
    def server_id(self) -> int | None:
        """The server that a `create_order` wants."""
        wanted = self.body.get("renting_server") if isinstance(self.body, dict) else None
        return wanted if isinstance(wanted, int) and wanted in self.exchange.market.rows else None

    def order(self, order_id: int | None) -> Order | None:
        """An active order by id, or the caller's newest one."""
        if order_id is None:
            return self.exchange.newest_order(self.account_name)
        order = self.exchange.ledger.orders.get(order_id)
        return order if order is not None and order.active else None
