"""What the ledger says about the promises; never what our own state says."""

from __future__ import annotations

from decimal import Decimal

from .lease_world import Stack, World

SETTLE_S = 60.0
"""Between two purchases of one lease, unless the first was refused."""


def assert_one_held(world: World, stack: Stack) -> None:
    """G1: exactly one active order, and it is the one in state."""
    assert stack.lease is not None
    ids = [order.id for order in world.double.active()]
    assert ids == [stack.lease["order_id"]], f"active {ids}, in state {stack.lease['order_id']}"


def assert_none_left(world: World) -> None:
    """G2: nothing that the API bought is billing."""
    left = [order.id for order in world.double.active()]
    assert not left, f"orders {left} go on billing after a destroy that succeeded"


def assert_no_breach(world: World) -> None:
    """G3, G4 and the pace: what must hold at every moment."""
    double = world.double
    assert not double.strangers_cancelled(), "an order of somebody else was cancelled"
    assert double.violations == 0, "our own traffic broke the rate limit"
    assert_settled_between_posts(world)


def assert_settled_between_posts(world: World) -> None:
    """G4: no two POSTs of one lease within the settle window, except after a refusal."""
    last: dict[frozenset[str], tuple[float, bool]] = {}
    for at, marks, refused in world.double.create_outcomes:
        before = last.get(marks)
        if before is not None and not before[1]:
            assert at - before[0] >= SETTLE_S, f"two POSTs within {at - before[0]:.0f} s"
        last[marks] = (at, refused)


def assert_below_cap(world: World, cap: Decimal) -> None:
    """G5: no active order costs more than the cap, fee included."""
    for order in world.double.active():
        assert Decimal(str(order.price)) * Decimal("1.05") <= cap
