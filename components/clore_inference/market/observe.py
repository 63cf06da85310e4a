"""A look at a held order, for diff and read: short, and never a reason to change anything by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clore_inference.errors import Abandoned, ConfigError, ListingFailed
from clore_inference.market.fingerprint import fingerprint_of, is_same
from clore_inference.market.lease import Lease, is_active
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.order import HeldOrder
from clore_inference.market.ownership import carries
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
    """Say how a held order is, within 3 real seconds; never raises for the market's sake."""
    deadline = market.clock.now() + BOUND_REAL_S / market.clock.real(1)
    lease = Lease.of(project, lease_id, account)
    try:
        if not _is_account(market, account, deadline):
            return Unknown("the Clore API key opens another account than the one that holds it")
        return _observe(market, lease, held, deadline)
    except (ListingFailed, ConfigError, Abandoned) as error:
        return Unknown(str(error))


def _is_account(market: Marketplace, account: Sequence[str], deadline: float) -> bool:
    known = market.store.read(ACCOUNT) or {}
    at, seen = known.get("at"), known.get("fingerprint")
    fresh = isinstance(at, int | float) and 0 <= market.clock.now() - at < ACCOUNT_FRESH_S
    if fresh and isinstance(seen, list) and is_same(account, seen):
        return True
    current = fingerprint_of(market.client.wallets_soon(deadline).rows)
    market.store.write(ACCOUNT, {"at": market.clock.now(), "fingerprint": list(current)})
    return is_same(account, current)


def _observe(
    market: Marketplace, lease: Lease, held: HeldOrder, deadline: float
) -> Alive | Lost | Unknown:
    if held.order_id in lease.memory(market).released():
        # The listing may lag: what was on its way out is never taken for a host that serves.
        return Lost(f"the release of order {held.order_id} had begun")
    listing = market.client.orders_soon(deadline)
    row = next((one for one in listing.rows if one.id == held.order_id), None)
    if row is not None and is_active(row, listing.server_time):
        return _alive(lease, row, held, listing.rows, listing.server_time)
    if row is not None:
        what = "has ended" if row.closed else "has reached the end of its term"
        return Lost(f"order {held.order_id} {what}")
    if listing.server_time is not None and listing.server_time > held.ends_at:
        return Lost(f"the term of order {held.order_id} is over")
    completed = market.client.orders_soon(deadline, completed=True)
    closed = next((one for one in completed.rows if one.id == held.order_id and one.closed), None)
    if closed is not None:
        return Lost(f"order {held.order_id} is closed in the list of completed orders")
    return Unknown(
        f"order {held.order_id} is in neither list, active or completed; that is no evidence of its "
        "end, so it is left alone. If My Orders on https://clore.ai shows that it has ended, run "
        "`clore-inference recover`"
    )


def _alive(
    lease: Lease,
    row: Order,
    held: HeldOrder,
    rows: Sequence[Order],
    server_time: float | None,
) -> Alive:
    extras = tuple(
        (one.id, one.server_id or 0)
        for one in rows
        if one.id != row.id and carries(one, lease.mark) and is_active(one, server_time)
    )
    return Alive(row.id, row.ends_at or held.ends_at, online=row.online, extras=extras)
