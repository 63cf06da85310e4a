"""Ending an order, and proving that it has ended.

A cancel that answers "ok" proves nothing, and neither does an order that is no longer listed: only
the order's own row, closed, does, or a term that is over by the marketplace's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from clore_inference import units
from clore_inference.errors import Ambiguous, ListingFailed, NotYetGone
from clore_inference.market.fingerprint import verify_account
from clore_inference.market.lease import (
    Lease,
    closed_row,
    held_lock,
    is_active,
    poll_s,
)
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.ownership import carries
from clore_inference.market.price import USD, order_usd_per_day, spent_usd
from clore_inference.market.wire import Order

RELEASE_BOUND_S: Final = 300.0
"""How long the end of an order is looked for before the command fails loudly."""
CANCEL_AGAIN_S: Final = 20.0
"""A cancel that had no effect by then is sent again: cancelling is harmless for an ended order."""


def release(
    market: Marketplace,
    *,
    project: str,
    lease_id: str,
    account: Sequence[str],
    order_id: int,
    server_id: int,
) -> None:
    """Cancel an order and return when its end is proven; else raise NotYetGone.

    Idempotent; an order that ended by itself or by hand is a success.
    """
    lease = Lease.of(project, lease_id, account)
    ending = Ending.of_lease(market, lease, order_id, server_id)
    try:
        with held_lock(market, lease):
            # In one go: of many orders that end side by side, the first cancel waits for no other.
            with market.client.pacer.exclusive(market.fence.check):
                verify_account(market, account)
                ending.step()
            ending.proven()
    except (ListingFailed, Ambiguous) as error:
        raise not_yet_gone(order_id, server_id, None, str(error)) from error


def end_order(market: Marketplace, lease: Lease, order_id: int, server_id: int | None) -> Order:
    """Cancel and verify under the lease's lock; returns the row that proves the end."""
    return Ending.of_lease(market, lease, order_id, server_id).proven()


def _nothing(_: int) -> None:
    """Remember nothing."""


@dataclass
class Ending:
    """One order on its way out."""

    market: Marketplace
    order_id: int
    server_id: int | None
    refuse: Callable[[Order], None]
    """Sees the order's row right before each cancel, and may raise."""
    releasing: Callable[[int], None] = _nothing
    ended: Callable[[int], None] = _nothing
    gone: Order | None = None
    _begun: float | None = None
    _cancelled_at: float | None = None
    _last: Order | None = None

    @classmethod
    def of_lease(
        cls, market: Marketplace, lease: Lease, order_id: int, server_id: int | None
    ) -> Ending:
        """End an order of a lease, and remember it; under the lease's lock."""
        memory = lease.memory(market)
        refuse = _stranger_to(lease, order_id)
        return cls(market, order_id, server_id, refuse, memory.releasing, memory.ended)

    def cancel(self, row: Order | None) -> None:
        """Send a cancel for the order as it was just listed; proves nothing."""
        if row is not None:
            self.refuse(row)
        self._begin()
        self._last = row or self._last
        self.market.client.cancel_order(self.order_id, self.market.fence.check)
        self._cancelled_at = self.market.clock.now()

    def _begin(self) -> float:
        if self._begun is None:
            self._begun = self.market.clock.now()
            self.releasing(self.order_id)
        return self._begun

    def step(self) -> bool:
        """List once; take the proof if it is there, else cancel where that is due.

        Returns whether there is nothing to do but to look again. Raises NotYetGone at the bound.
        """
        begun = self._begin()
        listing = self.market.client.orders()
        row = next((one for one in listing.rows if one.id == self.order_id), None)
        self._last = row or self._last
        self.gone = _proof(self.market, self.order_id, row, listing.server_time, self._last)
        if self.gone is not None:
            self.ended(self.order_id)
            _tell(self.market, self.order_id, self.server_id, self.gone)
            return False
        now = self.market.clock.now()
        if now - begun > RELEASE_BOUND_S:
            raise not_yet_gone(self.order_id, self.server_id, self._last, "its end is not listed")
        if self._cancelled_at is None or now - self._cancelled_at > CANCEL_AGAIN_S:
            self.cancel(row)
            return False
        return True

    def proven(self) -> Order:
        """Return the row that proves the end; raises NotYetGone."""
        rounds = 0
        while self.gone is None:
            if self.step():
                self.market.clock.sleep(poll_s(rounds, CANCEL_AGAIN_S))
                rounds += 1
            else:
                rounds = 0
        return self.gone


def prove_all(market: Marketplace, endings: Sequence[Ending]) -> dict[int, NotYetGone]:
    """Prove each end, side by side; one that does not come keeps no other. Returns the failures."""
    failed: dict[int, NotYetGone] = {}
    rounds = 0
    while left := [one for one in endings if one.gone is None and one.order_id not in failed]:
        if rounds:
            market.clock.sleep(poll_s(rounds - 1, CANCEL_AGAIN_S))
        for ending in left:
            try:
                ending.step()
            except NotYetGone as error:
                failed[ending.order_id] = error
            except ListingFailed as error:
                failed[ending.order_id] = not_yet_gone(
                    ending.order_id, ending.server_id, None, str(error)
                )
        rounds += 1
    return failed


def _proof(
    market: Marketplace,
    order_id: int,
    row: Order | None,
    server_time: float | None,
    last: Order | None,
) -> Order | None:
    """Return the row that proves the end; None while it may be billing."""
    if row is not None:
        return None if is_active(row, server_time) else row
    if last is not None and last.over(server_time):
        return last
    return closed_row(market, order_id)


def _stranger_to(lease: Lease, order_id: int) -> Callable[[Order], None]:
    """Never cancel an order that shows ports without our full mark, whatever a state says."""

    def refuse(row: Order) -> None:
        if not row.ports or carries(row, lease.mark):
            return
        raise NotYetGone(
            f"order {order_id} does not carry the mark of lease {lease.lease_id}, so it is not "
            "cancelled: it may be somebody else's. If it is yours, end it on https://clore.ai, then "
            "run the command again"
        )

    return refuse


def _tell(market: Marketplace, order_id: int, server_id: int | None, gone: Order) -> None:
    rate = Decimal(1) if gone.currency == USD else None
    cost = spent_usd(gone, rate, gone.order_end)
    burned = order_usd_per_day(gone, rate)
    text = f"order {order_id} on server {server_id or gone.server_id} has ended, verified"
    if cost is not None and burned is not None:
        text += f": it cost {units.usd(cost)}, and {units.usd(burned)} a day are saved from now on"
    market.say(text)


def not_yet_gone(order_id: int, server_id: int | None, row: Order | None, why: str) -> NotYetGone:
    """Build the message of an end that is not proven."""
    rate = Decimal(1) if row is not None and row.currency == USD else None
    per_day = order_usd_per_day(row, rate) if row is not None else None
    burn = (
        f"it may still cost {units.usd(units.per_hour(per_day))} an hour"
        if per_day is not None
        else "it may still be billing"
    )
    return NotYetGone(
        f"the end of order {order_id} on server {server_id} is not proven ({why}); {burn}. Run "
        f"`pulumi destroy` again, or end order {order_id} under My Orders on https://clore.ai and "
        "run `clore-inference recover`"
    )
