"""Which active orders a state accounts for, by their marks; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from clore_inference.market.ownership import carries, mark, project_port
from clore_inference.market.price import USD, order_usd_per_day, spent_usd
from clore_inference.market.wire import Order
from clore_inference.units import per_hour, usd

Standing = Literal["held", "unheld", "unguarded", "portless", "other"]
MEANING: Final[dict[Standing, str]] = {
    "held": "held by a lease of this state",
    "unheld": "ours by its mark, but no lease of this state holds it: the next `pulumi up` adopts "
    "or cancels it, `pulumi destroy` cancels it",
    "unguarded": "of this project by its first port, but of no guard in this state: another "
    "clone's or stack's, or lost; look at My Orders on https://clore.ai",
    "portless": "shows no ports yet, so whose it is cannot be told; look again in a minute, or at My "
    "Orders on https://clore.ai",
    "other": "not of this project",
}
OURS: Final = ("held", "unheld", "unguarded")
GUARD_TYPE: Final = ":LeaseGuard"
LEASE_TYPE: Final = ":Lease"


@dataclass(frozen=True)
class Held:
    """What a lease's state says of its order."""

    lease_id: str
    request: str
    """JSON of what was asked for."""


@dataclass(frozen=True)
class Recorded:
    """What a state says about leases."""

    project: str
    lease_ids: tuple[str, ...] = ()
    held: Mapping[int, str] = field(default_factory=dict)
    """Order id to the lease's URN."""
    pending: tuple[str, ...] = ()
    """Operations that were interrupted, as `creating <type> <name>`."""
    accounts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lease id to its account's fingerprint."""
    wanted: Mapping[int, Held] = field(default_factory=dict)
    """Order id to what its lease asked for."""


@dataclass(frozen=True)
class Bill:
    """One active order."""

    order_id: int
    server_id: int | None
    standing: Standing
    usd_per_day: Decimal | None
    """Renter's fee included; None where the row does not say."""
    lease_id: str = ""
    """The known lease whose full mark it carries."""
    currency: str = ""
    age_s: float | None = None
    """By the marketplace's own clock; None where that or its creation is not told."""
    spent_usd: Decimal | None = None
    """So far, with both fees."""
    ends_in_s: float | None = None
    is_spot: bool = False
    """Whether the row says that anybody who bids more ends it."""

    @property
    def usd_per_hour(self) -> str:
        """Its price as people read it."""
        return f"{usd(per_hour(self.usd_per_day))}/h" if self.usd_per_day else "price unknown"

    def line(self) -> str:
        """The order in words."""
        where = f"order {self.order_id} on server {self.server_id}"
        return f"{where}, {self.usd_per_hour}: {MEANING[self.standing]}"

    def as_dict(self) -> dict[str, Any]:
        """The order as JSON; money as text."""
        money = {"usd_per_day": _text(self.usd_per_day), "spent_usd": _text(self.spent_usd)}
        return {**asdict(self), **money}


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def recorded(export: Mapping[str, Any], project: str) -> Recorded:
    """Read `pulumi stack export`: guards, held orders and interrupted operations."""
    deployment = export.get("deployment") or {}
    rows = [row for row in deployment.get("resources") or () if not row.get("delete")]
    guards = [row for row in rows if str(row.get("type")).endswith(GUARD_TYPE)]
    leases = [row for row in rows if str(row.get("type")).endswith(LEASE_TYPE)]
    held = {order_id: row for row in leases if (order_id := _order_id(row))}
    outputs = [row.get("outputs") or {} for row in guards]
    accounts = {
        str(one["lease_id"]): tuple(str(part) for part in one.get("account") or ())
        for one in outputs
        if one.get("lease_id")
    }
    interrupted = [
        f"{operation.get('type')} {_short(operation.get('resource') or {})}"
        for operation in deployment.get("pending_operations") or ()
    ]
    return Recorded(
        project,
        tuple(accounts),
        {order_id: str(row.get("urn")) for order_id, row in held.items()},
        tuple(interrupted),
        accounts,
        {order_id: _held(row.get("outputs") or {}) for order_id, row in held.items()},
    )


def _order_id(row: Mapping[str, Any]) -> int:
    text = str((row.get("outputs") or {}).get("order_id") or "")
    return int(text) if text.isdigit() else 0


def _held(outputs: Mapping[str, Any]) -> Held:
    return Held(str(outputs.get("lease_id") or ""), str(outputs.get("request") or ""))


def _short(resource: Mapping[str, Any]) -> str:
    return str(resource.get("urn", "")).rpartition("::")[2] or "an unnamed resource"


def bills(
    orders: Iterable[Order],
    state: Recorded,
    rates: Mapping[str, Decimal],
    server_time: float | None = None,
) -> tuple[Bill, ...]:
    """Return every order with its standing; `rates` are USD for one unit of a currency."""
    return tuple(_bill(order, state, rates, server_time) for order in orders)


def _bill(
    order: Order, state: Recorded, rates: Mapping[str, Decimal], server_time: float | None
) -> Bill:
    currency = order.currency or USD
    rate = rates.get(currency)
    ends_at = order.ends_at
    return Bill(
        order.id,
        order.server_id,
        standing(order, state),
        order_usd_per_day(order, rate),
        lease_id=lease_of(order, state),
        currency=currency,
        age_s=_between(order.created_at, server_time),
        spent_usd=spent_usd(order, rate, server_time),
        ends_in_s=_between(server_time, ends_at),
        is_spot=order.spot is True,
    )


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)


def lease_of(order: Order, state: Recorded) -> str:
    """Return the known lease whose full mark an order carries; empty where there is none."""
    marked = (one for one in state.lease_ids if carries(order, mark(state.project, one)))
    return next(marked, "")


def standing(order: Order, state: Recorded) -> Standing:
    """Return what the state knows of an order."""
    if order.id in state.held:
        return "held"
    if lease_of(order, state):
        return "unheld"
    if project_port(state.project) in order.ports:
        return "unguarded"
    return "other" if order.ports else "portless"


def burning(found: Sequence[Bill]) -> str:
    """Return the sum of this project's orders, per hour."""
    ours = [bill for bill in found if bill.standing in OURS]
    total = sum((bill.usd_per_day or Decimal(0) for bill in ours), Decimal(0))
    unpriced = sum(1 for bill in ours if bill.usd_per_day is None)
    more = f", and {unpriced} of unknown price" if unpriced else ""
    return f"{len(ours)} order(s) of this project, {usd(per_hour(total))}/h{more}"
