"""Ending orders: verified, bounded, loud, and never somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from clore_inference.errors import NotYetGone, WrongAccount
from clore_inference.market.guard import sweep_lease
from clore_inference.market.release import release
from clore_inference.market.transport import Call, Unsent
from support.lease_world import IMAGE, PROJECT, Plug, Stack, World, new_world
from support.ledger_judge import assert_no_breach, assert_none_left


def held() -> tuple[World, Stack]:
    world, stack = new_world(), Stack()
    world.up(stack)
    world.clock.time += 600
    world.double.calls.clear()
    return world, stack


@pytest.mark.parametrize("recorded", [True, False], ids=["in-state", "lost-in-a-crash"])
def test_g2_the_first_cancel_is_the_third_request_of_a_destroy(*, recorded: bool) -> None:
    world, stack = held()
    if not recorded:
        stack.lease = None
    world.destroy(stack)
    assert [name for _, name in world.double.calls].index("cancel_order") == 2
    assert_none_left(world)


def test_no_other_lease_comes_between_a_destroy_and_its_first_cancel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, stack = held()
    turns: list[int] = []
    lock = world.machine.lock

    def noted(name: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        if name == "pacer":
            turns.append(len(world.double.calls))
        return lock(name, waiting)

    monkeypatch.setattr(world.machine, "lock", noted)
    world.destroy(stack)
    assert turns[:2] == [0, 3], "one turn for account, listing and cancel"


def test_the_end_is_told_with_what_it_cost_and_saves() -> None:
    world, stack = held()
    world.destroy(stack)
    (line,) = [line for line in world.said if "has ended, verified" in line]
    assert "it cost 0." in line
    assert "42.00 USD a day are saved" in line


@pytest.mark.parametrize("faults", [["lies"] * 4, ["fails"] * 4, ["drop_after"], ["fails_applied"]])
def test_a_cancel_is_verified_whatever_it_answered(faults: list[str]) -> None:
    world, stack = held()
    world.double.faults["cancel_order"] = faults
    world.destroy(stack)
    assert_none_left(world)
    assert_no_breach(world)


def test_an_order_cancelled_by_hand_is_a_success() -> None:
    world, stack = held()
    world.double.end(world.double.active()[0], "human")
    world.destroy(stack)
    assert "cancel_order" not in [name for _, name in world.double.calls]


def test_an_order_whose_term_is_over_by_the_marketplaces_clock_is_a_success() -> None:
    world, stack = held()
    world.clock.time += 721 * 3600
    world.destroy(stack)
    assert_none_left(world)


def test_g2_an_order_that_does_not_end_fails_the_destroy_with_burn_rate_and_command() -> None:
    world, stack = held()
    world.double.faults["cancel_order"] = ["lies"] * 99
    begun = world.clock.now()
    with pytest.raises(NotYetGone, match=r"1\.75 USD an hour.*`pulumi destroy` again") as caught:
        world.destroy(stack)
    assert str(world.double.active()[0].id) in str(caught.value)
    assert world.clock.now() - begun < 400, "bounded"
    assert stack.lease is not None, "the state keeps what may be billing"


def test_g8_an_order_in_neither_list_is_cancelled_but_not_believed_gone() -> None:
    world, stack = held()
    world.double.orders[0].visible = 1e18
    with pytest.raises(NotYetGone):
        world.destroy(stack)
    assert world.double.orders[0].ended_by == "api"


def test_g8_a_listing_that_fails_is_no_end() -> None:
    world, stack = held()
    world.double.faults["my_orders"] = ["fails"] * 99
    with pytest.raises(NotYetGone, match="GET /my_orders failed"):
        world.destroy(stack)


def test_g3_an_order_without_our_mark_is_not_cancelled_even_if_a_state_says_so() -> None:
    world, stack = held()
    stranger = world.double.human_rents(104, IMAGE)
    assert stack.guard is not None
    with pytest.raises(NotYetGone, match="does not carry the mark"):
        release(
            world.market(),
            project=PROJECT,
            **stack.guard,
            order_id=stranger.id,
            server_id=104,
        )
    assert stranger.ended is None


def test_g3_another_accounts_key_cancels_nothing() -> None:
    world, stack = held()
    world.double.deposit = "usd1somebody"
    with pytest.raises(WrongAccount):
        world.destroy(stack)
    assert world.double.active()


def test_a_rotated_key_of_the_same_account_works_at_once() -> None:
    world, stack = held()
    world.fresh_machine()
    world.destroy(stack)
    assert_none_left(world)


def test_g2_the_guard_ends_what_no_state_knows_of() -> None:
    world, stack = held()
    world.double.add_order(world.double.creates[0], 103, 44)
    stack.lease = None
    assert stack.guard is not None
    world.clock.time += 30
    ended = sweep_lease(world.market(), project=PROJECT, **stack.guard)
    assert ended == [order.id for order in world.double.orders]
    assert_none_left(world)


def test_g2_the_guard_waits_for_an_order_that_is_listed_late() -> None:
    world, stack = new_world(list_lag_s=50), Stack()
    world.double.faults["create_order"] = ["drop_after"]
    world.alive = lambda: not world.double.creates
    with pytest.raises(Exception, match="engine"):
        world.up(stack)
    world.alive = None
    assert world.double.active(), "the plug was pulled after the purchase"
    world.destroy(stack)
    assert_none_left(world)


def test_the_guard_needs_no_settle_window_long_after_the_last_post() -> None:
    world, stack = held()
    world.double.end(world.double.active()[0], "human")
    stack.lease = None
    begun = world.clock.now()
    world.destroy(stack)
    assert world.clock.now() - begun < 20


def test_g3_the_guard_of_one_clone_leaves_the_other_clone_alone() -> None:
    world, mine, other = new_world(), Stack(), Stack()
    world.up(mine)
    world.up(other)
    world.destroy(mine)
    assert other.lease is not None
    assert [order.id for order in world.double.active()] == [other.lease["order_id"]]


def test_g2_an_order_that_may_be_ours_fails_the_guard_and_is_named() -> None:
    world, stack = held()
    suspect = world.double.human_rents(104, IMAGE, ports=False)
    with pytest.raises(NotYetGone, match=f"order {suspect.id} on server 104"):
        world.destroy(stack)
    assert suspect.ended is None
    assert not world.double.active()


def test_one_order_that_does_not_end_does_not_keep_the_guard_from_ending_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, stack = held()
    twin = world.double.add_order(world.double.creates[0], 103, 44)
    stack.lease = None
    world.clock.time += 30
    stubborn = world.double.orders[0]
    honest = world.double._cancel_order

    def cancel(call: Call, fault: str) -> tuple[int, Any] | Unsent:
        return honest(call, "lies" if (call.body or {})["id"] == stubborn.id else fault)

    monkeypatch.setattr(world.double, "_cancel_order", cancel)
    with pytest.raises(NotYetGone, match=f"order {stubborn.id}"):
        world.destroy(stack)
    assert twin.ended is not None


def test_a_destroy_repeated_after_a_failure_finishes() -> None:
    world, stack = held()
    world.double.faults["cancel_order"] = ["lies"] * 99
    with pytest.raises(NotYetGone):
        world.destroy(stack)
    world.double.faults.clear()
    world.destroy(stack)
    assert_none_left(world)
    world.destroy(stack, Plug())
