"""A look at a held order, for diff and read: short, and never a reason to change anything by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from clore_inference.errors import Abandoned, ConfigError, ListingFailed
from clore_inference.market.fingerprint import fingerprint_of, is_same, wrong_account
from clore_inference.market.lease import Lease, is_active
from clore_inference.market.listing import Listing
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.order import HeldOrder
from clore_inference.market.ownership import carries
from clore_inference.market.price import USD
from clore_inference.market.story import how_it_ended, offline_notice, term_notice, wallet_notice
from clore_inference.market.wire import Order

BOUND_REAL_S: Final = 3.0
"""Wall-clock seconds: every `preview` waits for this."""
ACCOUNT: Final = "account"
ACCOUNT_FRESH_S: Final = 3600.0
"""A key opens one account for ever; an hour bounds what an emulator's restart can confuse."""


@dataclass(frozen=True)
class Alive:
    """The order is there; `extras` are (order id, server id) of others with the same full mark."""

    order_id: int
    ends_at: float
    online: bool = True
    extras: tuple[tuple[int, int], ...] = ()
    notices: tuple[str, ...] = ()
    """What will end it before long, in words."""


@dataclass(frozen=True)
class Lost:
    """The order has ended, by positive evidence."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """Nobody could say; nothing changes."""

    reason: str


def observe(
    market: Marketplace,
    *,
    project: str,
    lease_id: str,
    account: Sequence[str],
    held: HeldOrder,
) -> Alive | Lost | Unknown:
    """Say how a held order is, within 3 real seconds; never raises for the market's sake.

    Raises WrongAccount when the market did answer, for another account than the recorded one.
    """
    deadline = market.clock.now() + BOUND_REAL_S / market.clock.real(1)
    lease = Lease.of(project, lease_id, account)
    try:
        _require_account(market, account, deadline)
        return _observe(market, lease, held, deadline)
    except (ListingFailed, ConfigError, Abandoned) as error:
        return Unknown(str(error))


def _require_account(market: Marketplace, account: Sequence[str], deadline: float) -> None:
    known = market.store.read(ACCOUNT) or {}
    at, seen = known.get("at"), known.get("fingerprint")
    fresh = isinstance(at, int | float) and 0 <= market.clock.now() - at < ACCOUNT_FRESH_S
    if fresh and isinstance(seen, list) and is_same(account, seen):
        return
    wallets = market.client.wallets_soon(deadline).rows
    current = fingerprint_of(wallets)
    balances = {one.name: one.balance for one in wallets if one.balance is not None}
    document = {"at": market.clock.now(), "fingerprint": list(current), "balances": balances}
    market.store.write(ACCOUNT, document)
    if not is_same(account, current):
        raise wrong_account(account, current)


def _observe(
    market: Marketplace, lease: Lease, held: HeldOrder, deadline: float
) -> Alive | Lost | Unknown:
    if held.order_id in lease.memory(market).released():
        # The listing may lag: what was on its way out is never taken for a host that serves.
        return Lost(f"the release of order {held.order_id} had begun")
    listing = market.client.orders_soon(deadline)
    row = next((one for one in listing.rows if one.id == held.order_id), None)
    if row is not None and is_active(row, listing.server_time):
        return _alive(market, lease, row, held, listing)
    if row is not None:
        return _ended(market, held, row, deadline)
    if listing.server_time is not None and listing.server_time > held.ends_at:
        return Lost(how_it_ended(held, None))
    completed = market.client.orders_soon(deadline, completed=True)
    closed = next((one for one in completed.rows if one.id == held.order_id and one.closed), None)
    if closed is not None:
        return _ended(market, held, closed, deadline)
    return Unknown(
        f"order {held.order_id} is in neither list, active or completed; that is no evidence of its "
        "end, so it is left alone. If My Orders on https://clore.ai shows that it has ended, run "
        "`clore-inference recover`"
    )


def _ended(market: Marketplace, held: HeldOrder, row: Order, deadline: float) -> Lost:
    """Of a spot order that ended early, the market is asked who bids more; silence changes nothing."""
    if held.order_type != "spot" or row.over(row.order_end):
        return Lost(how_it_ended(held, row))
    try:
        bidding = market.client.bidding_soon(held.server_id, row.currency or USD, deadline).rows
    except ListingFailed:
        return Lost(how_it_ended(held, row))
    return Lost(how_it_ended(held, row, bidding))


def _alive(
    market: Marketplace,
    lease: Lease,
    row: Order,
    held: HeldOrder,
    listing: Listing[tuple[Order, ...]],
) -> Alive:
    active = [one for one in listing.rows if is_active(one, listing.server_time)]
    extras = tuple(
        (one.id, one.server_id or 0)
        for one in active
        if one.id != row.id and carries(one, lease.mark)
    )
    ends_at = row.ends_at or held.ends_at
    notices = (
        *offline_notice(held, row),
        *term_notice(held, ends_at, listing.server_time),
        *_wallet_notice(market, row, active),
    )
    return Alive(row.id, ends_at, online=row.online is not False, extras=extras, notices=notices)


def _wallet_notice(market: Marketplace, row: Order, active: Sequence[Order]) -> Iterator[str]:
    """By the balances that were read when the account was last looked at; asks nothing."""
    known = market.store.read(ACCOUNT) or {}
    at, found = known.get("at"), known.get("balances")
    if not isinstance(at, int | float) or not isinstance(found, dict):
        return
    balances = {name: one for name, one in found.items() if isinstance(one, int | float)}
    yield from wallet_notice(balances, market.clock.now() - at, row.currency, active)
