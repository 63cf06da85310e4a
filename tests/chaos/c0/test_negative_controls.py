"""The same harness on broken protocols: each must be caught, or the harness is blind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clore_inference.errors import CloreInferenceError
from clore_inference.market import acquire as acquire_module
from clore_inference.market import lease as lease_module
from clore_inference.market import observe as observe_module
from clore_inference.market import release as release_module
from clore_inference.market.answers import Answer
from clore_inference.market.client import Client
from clore_inference.market.lease import Sighting, closed_row
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.offers import Offer
from clore_inference.market.purchase import Purchase
from clore_inference.market.wire import Order
from support.lease_world import IMAGE, Killed, Plug, Stack, World, new_world
from support.ledger_judge import (
    assert_no_breach,
    assert_none_left,
    assert_one_held,
    assert_settled_between_posts,
)
from support.orphan import outlive

Patch = pytest.MonkeyPatch


def leaks(make: Callable[[], World], after: str) -> int:
    """How many crash points of an `up` end with a breach after the next command succeeded."""
    found = 0
    at, crashed = 0, True
    while crashed:
        world, stack = make(), Stack()
        crashed = _crashed(world, stack, at)
        world.double.faults.clear()
        try:
            if after == "up":
                world.up(stack)
                assert_one_held(world, stack)
            else:
                world.destroy(stack)
                assert_none_left(world)
            assert_no_breach(world)
        except CloreInferenceError:
            pass
        except AssertionError:
            found += 1
        at += 1
    return found


def _crashed(world: World, stack: Stack, at: int) -> bool:
    plug = Plug(crash_at=at)
    try:
        world.up(stack, plug)
    except Killed:
        return True
    except CloreInferenceError:
        return plug.seen > at
    return False


def _blind_post(self: Purchase, offer: Offer) -> Answer | Sighting:
    now = self.market.clock.now()
    nothing = Sighting(now, None, (), (), (), None)
    answer = self.market.client.create_order(
        self._body(offer), lambda: self._last_look(offer, nothing)
    )
    self._note(offer, answer, nothing)
    return answer


def _lagging() -> World:
    return new_world(list_lag_s=20, ports_lag_s=10)


@pytest.mark.parametrize("after", ["up", "destroy"])
def test_the_protocol_itself_never_leaks_in_this_harness(after: str) -> None:
    assert leaks(_lagging, after) == 0


def test_without_reconcile_first_a_crash_and_an_up_pay_twice(monkeypatch: Patch) -> None:
    monkeypatch.setattr(acquire_module._Acquisition, "reconcile", lambda _: None)
    monkeypatch.setattr(Purchase, "post", _blind_post)
    assert leaks(_lagging, "up") > 0


def test_without_the_guard_a_crash_and_a_destroy_leave_a_paid_order() -> None:
    def unguarded() -> World:
        world = _lagging()
        world.with_guard = False
        return world

    assert leaks(unguarded, "destroy") > 0


def test_without_the_fence_an_orphan_buys_after_the_destroy() -> None:
    left, at = 0, 0
    while (orphan := outlive(at, fenced=False)).reached:
        left += bool(orphan.world.double.active())
        at += 1
    assert left > 3


def test_with_a_natural_key_a_strangers_order_is_cancelled(monkeypatch: Patch) -> None:
    for module in (lease_module, observe_module, release_module):
        monkeypatch.setattr(module, "carries", lambda order, _: order.image == IMAGE)
    world, stack = new_world(), Stack()
    world.up(stack)
    world.double.human_rents(104, IMAGE)
    world.destroy(stack)
    assert world.double.strangers_cancelled()


def test_with_a_derived_tag_two_clones_end_each_others_order() -> None:
    world, mine, other = new_world(), Stack(), Stack()
    world.draw = lambda: "derived from project and stack"
    world.up(mine)
    world.up(other)
    world.destroy(other)
    with pytest.raises(AssertionError):
        assert_one_held(world, mine)


def test_reading_absence_as_gone_leaves_a_paid_order(monkeypatch: Patch) -> None:
    def believing(market: Marketplace, order_id: int) -> Order:
        return closed_row(market, order_id) or Order(id=order_id, expired=True)

    monkeypatch.setattr(release_module, "closed_row", believing)
    monkeypatch.setattr(lease_module, "closed_row", believing)
    world, stack = new_world(), Stack()
    world.up(stack)
    world.clock.time += 600
    world.double.faults["my_orders"] = ["empty"] * 4
    world.destroy(stack)
    assert world.double.active()


def test_taking_an_ambiguous_answer_for_a_refusal_pays_twice(monkeypatch: Patch) -> None:
    once = Client.create_order

    def retried(self: Client, *args: Any) -> Answer:
        answer = once(self, *args)
        if answer.outcome == "ambiguous":
            return Answer("refused", answer.reason, "next")
        return answer

    monkeypatch.setattr(Client, "create_order", retried)
    world, stack = _lagging(), Stack()
    world.double.faults["create_order"] = ["drop_after"]
    world.up(stack)
    with pytest.raises(AssertionError):
        assert_one_held(world, stack)


def test_repeating_a_post_breaks_the_settle_window(monkeypatch: Patch) -> None:
    once = Client.create_order

    def retried(self: Client, *args: Any) -> Answer:
        answer = once(self, *args)
        return once(self, *args) if answer.outcome == "ambiguous" else answer

    monkeypatch.setattr(Client, "create_order", retried)
    world, stack = _lagging(), Stack()
    world.double.faults["create_order"] = ["drop_before"]
    world.up(stack)
    with pytest.raises(AssertionError):
        assert_settled_between_posts(world)
