"""A provider that outlives its CLI, and whose stack is destroyed meanwhile, buys nothing."""

from __future__ import annotations

from support.orphan import outlive


def test_g2_an_orphaned_provider_leaves_nothing_behind_a_destroy_that_succeeded() -> None:
    at = 0
    while True:
        orphan = outlive(at)
        if not orphan.reached:
            break
        # Between the last look and the wire there is no step that a second process could use:
        # the destroy alone takes a settle window.
        if orphan.steps[at] != "post create_order":
            left = [order.id for order in orphan.world.double.active()]
            assert not left, f"orphaned at {orphan.steps[at]!r} ({at}), it left {left}"
        at += 1
    assert at > 20, "the up has fewer steps than a purchase"


def test_an_orphaned_provider_says_that_it_stopped() -> None:
    orphan = outlive(8)
    assert orphan.ended == "Abandoned"
    assert not orphan.world.double.creates
