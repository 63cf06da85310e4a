"""Ending an order, and proving that it has ended.

A cancel that answers "ok" proves nothing, and neither does an order that is no longer listed: only
the order's own row, closed, does, or a term that is over by the marketplace's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    try:
        with held_lock(market, lease):
            verify_account(market, account)
            end_order(market, lease, order_id, server_id)
    except (ListingFailed, Ambiguous) as error:
        raise not_yet_gone(order_id, server_id, None, str(error)) from error


def end_order(
    market: Marketplace, lease: Lease, order_id: int, server_id: int | None
) -> Order | None:
    """Cancel and verify under the lease's lock; returns the closed row if a list still has it."""
    memory = lease.memory(market)
    memory.releasing(order_id)
    begun = market.clock.now()
    cancelled_at: float | None = None
    rounds = 0
    last: Order | None = None
    while True:
        listing = market.client.orders()
        row = next((one for one in listing.rows if one.id == order_id), None)
        last = row or last
        gone = _proof(market, order_id, row, listing.server_time, last)
        if gone is not None:
            memory.ended(order_id)
            _tell(market, order_id, server_id, gone)
            return gone
        now = market.clock.now()
        if now - begun > RELEASE_BOUND_S:
            raise not_yet_gone(order_id, server_id, last, "its end is not listed")
        if cancelled_at is None or now - cancelled_at > CANCEL_AGAIN_S:
            _refuse_strangers(lease, order_id, row)
            market.client.cancel_order(order_id, market.fence.check)
            cancelled_at = market.clock.now()
            rounds = 0
            continue
        market.clock.sleep(poll_s(rounds, CANCEL_AGAIN_S))
        rounds += 1


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


def _refuse_strangers(lease: Lease, order_id: int, row: Order | None) -> None:
    """Never cancel an order that shows ports without our full mark, whatever a state says."""
    if row is None or not row.ports or carries(row, lease.mark):
        return
    message = (
        f"order {order_id} does not carry the mark of lease {lease.lease_id}, so it is not "
        "cancelled: it may be somebody else's. If it is yours, end it on https://clore.ai, then run "
        "the command again"
    )
    raise NotYetGone(message)


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
