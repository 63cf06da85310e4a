"""A look at a held order: evidence or nothing, and short."""

from __future__ import annotations

import pytest

from clore_inference.errors import WrongAccount
from clore_inference.market.fingerprint import fingerprint, in_short
from clore_inference.market.observe import Alive, Lost, Unknown, observe
from clore_inference.market.order import HeldOrder
from support.lease_world import PROJECT, Stack, World, new_world


def held() -> tuple[World, Stack]:
    world, stack = new_world(), Stack()
    world.up(stack)
    world.clock.time += 600
    world.double.calls.clear()
    return world, stack


def look(world: World, stack: Stack) -> Alive | Lost | Unknown:
    assert stack.guard is not None
    order = HeldOrder.model_validate(stack.lease)
    return observe(world.market(), project=PROJECT, **stack.guard, held=order)


def test_an_order_that_runs_is_alive() -> None:
    world, stack = held()
    seen = look(world, stack)
    assert isinstance(seen, Alive)
    assert seen.extras == ()
    assert "create_order" not in [name for _, name in world.double.calls]


def test_duplicates_are_reported_with_their_servers() -> None:
    world, stack = held()
    twin = world.double.add_order(world.double.creates[0], 103, 44)
    world.clock.time += 30
    seen = look(world, stack)
    assert isinstance(seen, Alive)
    assert seen.extras == ((twin.id, 103),)


def test_an_order_closed_in_the_completed_list_is_lost() -> None:
    world, stack = held()
    world.double.end(world.double.active()[0], "human")
    seen = look(world, stack)
    assert isinstance(seen, Lost)
    assert "before its term: by hand, by the server's owner, or by Clore" in seen.reason
    assert "It cost 0." in seen.reason


def test_an_order_whose_term_is_over_is_lost() -> None:
    world, stack = held()
    world.clock.time += 721 * 3600
    assert isinstance(look(world, stack), Lost)


def test_g8_an_order_in_neither_list_is_unknown() -> None:
    world, stack = held()
    world.double.orders[0].visible = 1e18
    seen = look(world, stack)
    assert isinstance(seen, Unknown)
    assert "neither list" in seen.reason


@pytest.mark.parametrize("fault", ["fails", "drop", "garbage", "limited", "revoked"])
def test_g8_a_market_that_does_not_answer_is_unknown_and_never_an_error(fault: str) -> None:
    world, stack = held()
    world.double.faults["my_orders"] = [fault]
    assert isinstance(look(world, stack), Unknown)


def test_g3_another_accounts_key_is_refused_and_both_accounts_are_named() -> None:
    world, stack = held()
    assert stack.guard is not None
    ours = in_short(stack.guard["account"])
    world.double.deposit = "usd1somebody"
    with pytest.raises(WrongAccount, match=f"{ours}(.|\n)*Use a key of account {ours}") as refused:
        look(world, stack)
    assert in_short(fingerprint(world.market())) in str(refused.value)
    assert "my_orders" not in [name for _, name in world.double.calls], "their orders tell nothing"


def test_a_listing_a_few_seconds_old_is_used_again() -> None:
    world, stack = held()
    look(world, stack)
    calls = len(world.double.calls)
    look(world, stack)
    assert len(world.double.calls) == calls
    world.clock.time += 6
    look(world, stack)
    assert len(world.double.calls) == calls + 1, "the account is still known, the orders are not"


def test_a_cancel_is_seen_at_once_in_spite_of_the_cached_listing() -> None:
    world, stack = held()
    look(world, stack)
    assert stack.guard is not None
    assert stack.lease is not None
    market = world.market()
    market.client.cancel_order(stack.lease["order_id"], lambda: None)
    assert isinstance(look(world, stack), Lost)


def test_an_order_on_its_way_out_is_not_taken_for_a_host_that_serves() -> None:
    world, stack = held()
    assert stack.guard is not None
    assert stack.lease is not None
    world.market().memory(stack.guard["lease_id"]).releasing(stack.lease["order_id"])
    assert isinstance(look(world, stack), Lost)


def test_a_look_takes_at_most_three_seconds() -> None:
    world, stack = held()
    world.double.end(world.double.active()[0], "human")
    begun = world.clock.now()
    look(world, stack)
    assert world.clock.now() - begun <= 3


def test_a_look_gives_up_when_the_pace_leaves_it_no_turn() -> None:
    world, stack = held()
    market = world.market()
    market.client.pacer.hold(30)
    begun = world.clock.now()
    assert isinstance(look(world, stack), Unknown)
    assert world.clock.now() - begun < 0.01
