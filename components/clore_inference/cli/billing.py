"""Which active orders a state accounts for, by their marks; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from clore_inference.market.ownership import carries, mark, project_port
from clore_inference.market.price import USD, order_usd_per_day
from clore_inference.market.wire import Order
from clore_inference.units import per_hour, usd

Standing = Literal["held", "unheld", "unguarded", "other"]
MEANING: Final[dict[Standing, str]] = {
    "held": "held by a lease of this state",
    "unheld": "ours by its mark, but no lease of this state holds it: the next `pulumi up` adopts "
    "or cancels it, `pulumi destroy` cancels it",
    "unguarded": "of this project by its first port, but of no guard in this state: another "
    "clone's or stack's, or lost; look at My Orders on https://clore.ai",
    "other": "not of this project",
}
GUARD_TYPE: Final = ":LeaseGuard"
LEASE_TYPE: Final = ":Lease"


@dataclass(frozen=True)
class Recorded:
    """What a state says about leases."""

    project: str
    lease_ids: tuple[str, ...] = ()
    held: Mapping[int, str] = field(default_factory=dict)
    """Order id to the lease's URN."""
    pending: tuple[str, ...] = ()
    """Operations that were interrupted, as `creating <type> <name>`."""


@dataclass(frozen=True)
class Bill:
    """One active order."""

    order_id: int
    server_id: int | None
    standing: Standing
    usd_per_day: Decimal | None
    """Renter's fee included; None where the row does not say."""

    def line(self) -> str:
        """The order in words."""
        cost = f"{usd(per_hour(self.usd_per_day))}/h" if self.usd_per_day else "price unknown"
        return f"order {self.order_id} on server {self.server_id}, {cost}: {MEANING[self.standing]}"


def recorded(export: Mapping[str, Any], project: str) -> Recorded:
    """Read `pulumi stack export`: guards, held orders and interrupted operations."""
    deployment = export.get("deployment") or {}
    rows = [row for row in deployment.get("resources") or () if not row.get("delete")]
    guards = [row for row in rows if str(row.get("type")).endswith(GUARD_TYPE)]
    leases = [row for row in rows if str(row.get("type")).endswith(LEASE_TYPE)]
    held = {
        int(order_id): str(row.get("urn"))
        for row in leases
        if (order_id := str((row.get("outputs") or {}).get("order_id") or "")).isdigit()
    }
    lease_ids = [str((row.get("outputs") or {}).get("lease_id") or "") for row in guards]
    interrupted = [
        f"{operation.get('type')} {_short(operation.get('resource') or {})}"
        for operation in deployment.get("pending_operations") or ()
    ]
    found = tuple(one for one in lease_ids if one)
    return Recorded(project, found, held, tuple(interrupted))


def _short(resource: Mapping[str, Any]) -> str:
    return str(resource.get("urn", "")).rpartition("::")[2] or "an unnamed resource"


def bills(
    orders: Iterable[Order], state: Recorded, rates: Mapping[str, Decimal]
) -> tuple[Bill, ...]:
    """Return every order with its standing; `rates` are USD for one unit of a currency."""
    return tuple(
        Bill(
            order.id,
            order.server_id,
            standing(order, state),
            order_usd_per_day(order, rates.get(order.currency or USD)),
        )
        for order in orders
    )


def standing(order: Order, state: Recorded) -> Standing:
    """Return what the state knows of an order."""
    if order.id in state.held:
        return "held"
    if any(carries(order, mark(state.project, lease_id)) for lease_id in state.lease_ids):
        return "unheld"
    if project_port(state.project) in order.ports:
        return "unguarded"
    return "other"


def burning(found: Sequence[Bill]) -> str:
    """Return the sum of this project's orders, per hour."""
    ours = [bill for bill in found if bill.standing != "other"]
    total = sum((bill.usd_per_day or Decimal(0) for bill in ours), Decimal(0))
    unpriced = sum(1 for bill in ours if bill.usd_per_day is None)
    more = f", and {unpriced} of unknown price" if unpriced else ""
    return f"{len(ours)} order(s) of this project, {usd(per_hour(total))}/h{more}"
