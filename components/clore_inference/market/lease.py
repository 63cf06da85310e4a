"""A lease and what a listing shows of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from clore_inference import units
from clore_inference.errors import Ambiguous
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.memory import LeaseMemory
from clore_inference.market.ownership import Mark, carries, carries_part, mark, same_image
from clore_inference.market.price import USD, order_usd_per_day
from clore_inference.market.wire import Order

YOUNG_S: Final = 3600.0
"""An order that shows no ports for longer than this is not one that is still being set up."""
LOCK_BOUND_S: Final = 1800.0
"""Longer than an acceptance deadline; another holder ends by itself once its engine is gone."""
SKEW_S: Final = 5.0
"""The Date header and `ct` count whole seconds."""

POLL_S: Final = (2.0, 3.5, 5.0, 8.0, 12.0, 15.0)
"""Marketplace seconds between listings; creation shows up within seconds, seldom within a minute."""


def poll_s(number: int, left_s: float) -> float:
    """How long to wait after the `number`th listing, at most what is left."""
    return max(0.1, min(POLL_S[min(number, len(POLL_S) - 1)], left_s))


@dataclass(frozen=True)
class Lease:
    """Our hold on an order: identified by its random id alone, names identify nobody."""

    project: str
    lease_id: str
    account: tuple[str, ...]
    image: str | None = None
    """The image that our order would have; None means any."""

    @classmethod
    def of(
        cls, project: str, lease_id: str, account: Sequence[str], image: str | None = None
    ) -> Lease:
        return cls(project, lease_id, tuple(account), image)

    @property
    def mark(self) -> Mark:
        """The three ports."""
        return mark(self.project, self.lease_id)

    def memory(self, market: Marketplace) -> LeaseMemory:
        """What this machine remembers of it."""
        return market.memory(self.lease_id)


@dataclass(frozen=True)
class Sighting:
    """What one listing shows of a lease."""

    at: float
    server_time: float | None
    ours: tuple[Order, ...]
    """Active, with the full mark; oldest first."""
    possible: tuple[Order, ...]
    """Active, and not provably somebody else's: never adopted, cancelled, or bought past."""
    active: tuple[Order, ...]
    missing: int | None
    """Our last known order, if it is neither listed nor proven to have ended."""

    @property
    def clean(self) -> bool:
        """Whether nothing of ours can be behind this listing."""
        return not (self.ours or self.possible or self.missing)

    def suspects(self) -> str:
        """Name what stands in the way."""
        named = [_named(one) for one in self.possible]
        if self.missing:
            named.append(f"order {self.missing}, which is in no list")
        return ", ".join(named) or "an order that is not listed yet"


def _named(order: Order) -> str:
    text = f"order {order.id} on server {order.server_id}"
    per_day = order_usd_per_day(order, Decimal(1)) if order.currency == USD else None
    return text if per_day is None else f"{text} ({units.usd(units.per_hour(per_day))} an hour)"


def look(market: Marketplace, lease: Lease) -> Sighting:
    """List the account and sort its active orders; raises ListingFailed, never guesses."""
    listing = market.client.orders()
    active = tuple(one for one in listing.rows if is_active(one, listing.server_time))
    ours = sorted((one for one in active if carries(one, lease.mark)), key=_age)
    doubt = _doubt(market, lease, listing.server_time)
    possible = tuple(
        one
        for one in active
        if doubt.covers(one)
        and not market.claims.by_another(lease.lease_id, one.server_id, one.created_at)
    )
    sighting = Sighting(
        listing.at, listing.server_time, tuple(ours), possible, active, missing=None
    )
    return replace(sighting, missing=_missing(market, lease, sighting, listing.rows))


def is_active(order: Order, server_time: float | None) -> bool:
    """Whether an order of the active list can be billing."""
    return not order.closed and not order.over(server_time)


def _age(order: Order) -> tuple[float, int]:
    return (order.created_at or 0.0, order.id)


@dataclass(frozen=True)
class _Doubt:
    """Which orders without a full mark cannot be told from ours."""

    mark: Mark
    images: frozenset[str] | None
    since: float | None
    server_time: float | None

    def covers(self, order: Order) -> bool:
        if carries(order, self.mark):
            return False
        if carries_part(order, self.mark):
            return True
        if order.ports or self._is_other_image(order):
            return False
        if order.created_at is None:
            return True
        if self.since is not None and order.created_at < self.since - SKEW_S:
            return False
        return self.server_time is None or self.server_time - order.created_at <= YOUNG_S

    def _is_other_image(self, order: Order) -> bool:
        if not self.images or not order.image:
            return False
        return not any(same_image(order.image, image) for image in self.images)


def _doubt(market: Marketplace, lease: Lease, server_time: float | None) -> _Doubt:
    memory = lease.memory(market)
    post = memory.last_post()
    images = None
    if lease.image is not None and post is not None:
        # The image may have been another one when this lease was posted for before.
        images = frozenset(one for one in (lease.image, post.image) if one)
    return _Doubt(lease.mark, images, memory.since, server_time)


def _missing(
    market: Marketplace, lease: Lease, sighting: Sighting, rows: Sequence[Order]
) -> int | None:
    """Our last known order, if this listing lacks it and nothing proves its end."""
    memory = lease.memory(market)
    known = memory.unproven()
    if known is None or known.order_id is None:
        return None
    if any(one.id == known.order_id for one in sighting.active):
        return None
    over = known.ends_at is not None and (sighting.server_time or 0) > known.ends_at
    listed_as_closed = any(one.id == known.order_id for one in rows)
    if over or listed_as_closed or closed_row(market, known.order_id) is not None:
        memory.ended(known.order_id)
        return None
    return known.order_id


def closed_row(market: Marketplace, order_id: int) -> Order | None:
    """Return our id, closed, from the list with completed orders: the positive evidence."""
    listing = market.client.orders(completed=True)
    for order in listing.rows:
        if order.id == order_id and (order.closed or order.over(listing.server_time)):
            return order
    return None


@contextmanager
def held_lock(market: Marketplace, lease: Lease) -> Iterator[None]:
    """Let one process at a time act for a lease; waits while the other one still may."""
    begun = market.clock.now()
    said = False

    def waiting() -> None:
        nonlocal said
        market.fence.check()
        if not said:
            market.say(f"waiting for another process that acts for lease {lease.lease_id}")
            said = True
        if market.clock.now() - begun > LOCK_BOUND_S:
            message = (
                f"another process has acted for lease {lease.lease_id} for more than "
                f"{units.duration(LOCK_BOUND_S)}. Whether an order runs is unknown. End that "
                "process, then run the command again"
            )
            raise Ambiguous(message, lease_id=lease.lease_id, server_id=0)

    with market.store.lock(f"lease-{lease.lease_id}", waiting):
        yield
