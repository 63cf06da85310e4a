"""Ending orders that no running state asks for: by their full mark, or because a person named them.

Nothing here decides what is to end. Right before each cancel the order's own row is looked at once
more: it must show the full mark of the lease, or, where a person named it, the project's port.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from clore_inference.errors import NotYetGone
from clore_inference.market.lease import Lease
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.ownership import project_port
from clore_inference.market.release import Ending, prove_all
from clore_inference.market.wire import Order


@dataclass(frozen=True)
class Condemned:
    """An order that is to end."""

    order_id: int
    server_id: int | None
    lease_id: str = ""
    """The lease whose full mark it must carry; empty where a person named the order itself."""


def end_condemned(
    market: Marketplace, *, project: str, account: Sequence[str], orders: Sequence[Condemned]
) -> dict[int, NotYetGone]:
    """Cancel all, then verify all, each whatever becomes of the others; return the failures.

    A lease for which another process acts at this moment is left alone. Raises ListingFailed when
    not even the first listing succeeds: then nothing was cancelled.
    """
    failed: dict[int, NotYetGone] = {}
    with ExitStack() as locks:
        free = _locked(market, locks, {one.lease_id for one in orders if one.lease_id})
        endings: list[Ending] = []
        rows = {row.id: row for row in market.client.orders().rows}
        for one in orders:
            if one.lease_id and one.lease_id not in free:
                failed[one.order_id] = _busy(one)
                continue
            ending = _ending(market, project, account, one)
            try:
                if one.order_id in rows:
                    ending.cancel(rows[one.order_id])
            except NotYetGone as error:
                failed[one.order_id] = error
            else:
                endings.append(ending)
        return failed | prove_all(market, endings)


def _ending(market: Marketplace, project: str, account: Sequence[str], one: Condemned) -> Ending:
    if one.lease_id:
        lease = Lease.of(project, one.lease_id, account)
        return Ending.of_lease(market, lease, one.order_id, one.server_id)
    refuse = _stranger_to_project(project, one.order_id)
    return Ending(market, one.order_id, one.server_id, refuse)


def _stranger_to_project(project: str, order_id: int) -> Callable[[Order], None]:
    def refuse(row: Order) -> None:
        if project_port(project) not in row.ports:
            raise NotYetGone(
                f"order {order_id} does not show port {project_port(project)}, by which orders of "
                f"project {project!r} are found, so it is not cancelled. If it is yours, end it "
                "under My Orders on https://clore.ai"
            )

    return refuse


def _locked(market: Marketplace, locks: ExitStack, lease_ids: set[str]) -> set[str]:
    """Take the locks of these leases without waiting; return those that were free."""
    free: set[str] = set()
    for lease_id in sorted(lease_ids):
        try:
            locks.enter_context(market.store.lock(f"lease-{lease_id}", _give_up))
        except _Taken:
            continue
        free.add(lease_id)
    return free


class _Taken(Exception):
    pass


def _give_up() -> None:
    raise _Taken


def _busy(one: Condemned) -> NotYetGone:
    return NotYetGone(
        f"another process acts for lease {one.lease_id} at this moment, so its order {one.order_id} "
        "was left alone. Let that command end, then look again"
    )
