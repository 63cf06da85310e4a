"""What a machine without memory can read from the account: servers on which orders were short-lived.

They were mostly turned down, by an acceptance that this machine knows nothing of; they are asked last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clore_inference.market.marketplace import Marketplace
from clore_inference.market.wire import Order

REJECTED_FOR_S: Final = 24 * 3600.0
"""How long a server is not asked again whose host was not what was paid for."""
SHORT_LIFE_S: Final = 1800.0
"""Orders that ended sooner were mostly turned down."""
FRESH_S: Final = 3600.0
"""How long one reading serves all leases of the machine."""
NAME: Final = "short-lived"


@dataclass(frozen=True)
class ShortLived:
    """The account's short-lived orders with one image; read once for all leases."""

    market: Marketplace
    image: str

    def servers(self) -> frozenset[int]:
        """Return them; nothing where this machine remembers what it turned down itself."""
        if self.market.store.read(self.market.exclusions.NAME) is not None:
            return frozenset()
        known = self._known()
        if known is not None:
            return known
        found = self._read()
        note = {"at": self.market.clock.now(), "image": self.image, "servers": sorted(found)}
        self.market.store.write(NAME, note)
        return found

    def _known(self) -> frozenset[int] | None:
        note = self.market.store.read(NAME) or {}
        at, servers = note.get("at"), note.get("servers")
        if not isinstance(at, int | float) or not isinstance(servers, list):
            return None
        fresh = 0 <= self.market.clock.now() - at < FRESH_S
        if not fresh or note.get("image") != self.image:
            return None
        return frozenset(one for one in servers if isinstance(one, int))

    def _read(self) -> frozenset[int]:
        listing = self.market.client.orders(completed=True)
        return frozenset(
            order.server_id
            for order in listing.rows
            if order.server_id is not None
            and order.image == self.image
            and _was_short_lived(order, listing.server_time)
        )


def _was_short_lived(order: Order, server_time: float | None) -> bool:
    if not order.order_end or order.created_at is None or server_time is None:
        return False
    life_s = order.order_end - order.created_at
    return life_s < SHORT_LIFE_S and server_time - order.order_end < REJECTED_FOR_S
