"""Broken protocols in a real provider process: each must be caught, or the harness is blind.

How often they leak at random is measured by `make chaos-c1`; here each meets its own trap once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clore_inference.lifecycle.wanted import order_request
from support.chaos import controls
from support.chaos.c1 import (
    PAUSE,
    SPEC,
    Outcome,
    Scenario,
    Stack,
    orphaned,
    play,
    until_done,
)
from support.chaos.controls import REAL, Providers
from support.chaos.verdict import active
from support.market import Market

pytestmark = pytest.mark.slow

BOUGHT = ("create_order", "after_commit", 1)
MakeStack = Callable[..., Stack]


@pytest.fixture(autouse=True)
def clean(market: Market) -> Iterator[None]:
    """No control leaves its leak to the next one."""
    yield
    market.disarm()
    for order in market.active_orders():
        market.admin("POST", "/cancel", order_id=order["id"])
    time.sleep(0.2)


def killed_once_bought(providers: Providers, then: str, market: Market, directory: Path) -> Outcome:
    scenario = Scenario("up", BOUGHT, None, "provider", "up" if then == "up" else "destroy")
    outcome = play(scenario, market, directory, providers)
    assert outcome.struck, "the kill did not find its victim"
    return outcome


def test_a_naive_client_is_caught(market: Market, tmp_path: Path) -> None:
    outcome = killed_once_bought(controls.NAIVE, "destroy", market, tmp_path)
    assert outcome.left, "a naive client that is killed leaves its order"


def test_a_missing_guard_is_caught(market: Market, tmp_path: Path) -> None:
    outcome = killed_once_bought(controls.NO_GUARD, "destroy", market, tmp_path)
    assert outcome.left, "only the guard knows of an order whose create never returned"


def test_buying_without_having_looked_is_caught(market: Market, tmp_path: Path) -> None:
    outcome = killed_once_bought(controls.NO_RECONCILE, "up", market, tmp_path)
    assert outcome.unclaimed, "without reconcile-first the next up pays twice"


def left_by_an_orphan(providers: Providers, make_stack: MakeStack) -> list[int]:
    """Orphan a provider before its purchase, destroy elsewhere, let it go on."""
    mine, elsewhere = make_stack(providers), make_stack(providers)
    process = mine.process()
    with orphaned(mine, process, ("marketplace", "before", 1)):
        process.abandon()
        elsewhere.guard = mine.guard
        outcome = Outcome("elsewhere")
        assert until_done(elsewhere, "destroy", outcome), outcome
        mine.market.admin("POST", "/release", name=PAUSE)
        process.ended()
    process.close()
    return active(mine.market.ledger())


def test_a_missing_fence_is_caught(make_stack: MakeStack) -> None:
    assert left_by_an_orphan(controls.NO_FENCE, make_stack), "an orphan without a fence buys"


def test_the_fence_holds_an_orphan_back(make_stack: MakeStack) -> None:
    assert not left_by_an_orphan(REAL, make_stack)


def strangers_cancelled(providers: Providers, make_stack: MakeStack, market: Market) -> int:
    before = market.ledger()["foreign_cancels"]
    stack, outcome = make_stack(providers), Outcome("strangers")
    image = order_request(SPEC, stack.keys["public_key"]).image
    free = [row["id"] for row in market.admin("GET", "/servers") if wanted(row)]
    market.admin("POST", "/rent", account="renter", server_id=free[-1], image=image)
    until_done(stack, "up", outcome)
    until_done(stack, "destroy", outcome)
    return int(market.ledger()["foreign_cancels"] - before)


def wanted(row: dict[str, object]) -> bool:
    coins = row["allowed_coins"]
    return not row["rented"] and isinstance(coins, list) and "USD-Blockchain" in coins


def test_a_natural_key_is_caught(make_stack: MakeStack, market: Market) -> None:
    found = strangers_cancelled(controls.NATURAL, make_stack, market)
    assert found, "what merely looks like ours is cancelled"


def test_g3_an_order_by_hand_with_our_image_stays(make_stack: MakeStack, market: Market) -> None:
    assert strangers_cancelled(REAL, make_stack, market) == 0


def test_a_derived_tag_is_caught(make_stack: MakeStack, market: Market) -> None:
    mine, clone = make_stack(controls.DERIVED), make_stack(controls.DERIVED)
    clone.keys = mine.keys  # so that adopting takes a second, not a deadline
    outcome = Outcome("two clones")
    assert until_done(mine, "up", outcome), outcome
    time.sleep(0.2)
    assert until_done(clone, "up", outcome), outcome
    time.sleep(0.2)
    assert until_done(clone, "destroy", outcome), outcome
    assert mine.held not in active(market.ledger()), "the clone ends the other's order"


def left_behind_empty_listings(
    providers: Providers, make_stack: MakeStack, market: Market
) -> list[int]:
    stack, outcome = make_stack(providers), Outcome("empty listings")
    assert until_done(stack, "up", outcome), outcome
    time.sleep(1.2)  # the settle window passes: only the listing speaks now
    market.arm("list_is_empty", on="my_orders", times=6)
    process = stack.process()
    try:
        stack.destroy(process)
    finally:
        process.close()
    return active(market.ledger())


def test_reading_absence_as_gone_is_caught(make_stack: MakeStack, market: Market) -> None:
    assert left_behind_empty_listings(controls.BELIEVING, make_stack, market)


def test_g8_an_empty_listing_is_no_evidence(make_stack: MakeStack, market: Market) -> None:
    assert not left_behind_empty_listings(REAL, make_stack, market)
