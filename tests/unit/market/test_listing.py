"""One listing for all who wait for it: as new as one's own, or not taken."""

from __future__ import annotations

import random

import pytest

from clore_inference.market.marketplace import Marketplace
from support.lease_world import MemoryStore, Plug, Stack, World, new_world
from support.market_double import MarketDouble
from support.virtual_processes import SharedStore, VirtualProcesses


def asked(world: World, name: str = "my_orders") -> int:
    return [one for _, one in world.double.calls].count(name)


def held() -> World:
    world = new_world()
    world.up(Stack())
    world.clock.time += 60
    world.double.calls.clear()
    return world


def test_whoever_waits_for_a_turn_takes_what_was_asked_for_meanwhile() -> None:
    clock = VirtualProcesses()
    store, double = SharedStore(clock), MarketDouble(clock)
    seen: list[float] = []

    def look() -> None:
        market = Marketplace.assemble(
            double,
            store,
            clock=clock,
            engine_alive=lambda: True,
            say=lambda _: None,
            process="one",
            rng=random.Random(0),
        )
        begun = clock.now()
        seen.append(market.client.orders().at - begun)

    clock.run(*[look] * 9)
    assert len(double.calls) == 2, "the first one's answer was on its way before the others asked"
    assert min(seen) >= 0, "nobody takes an answer from before it asked"


def test_a_listing_from_before_the_question_is_never_taken() -> None:
    world = held()
    client = world.market().client
    client.orders()
    client.orders()
    assert asked(world) == 2


def test_a_few_seconds_may_be_allowed_for() -> None:
    world = held()
    client = world.market().client
    first = client.orders()
    assert client.orders(max_age_s=5).at == first.at
    world.clock.time += 6
    assert client.orders(max_age_s=5).at > first.at


@pytest.mark.parametrize("fault", ["fails", "garbage", "limited", "drop"])
def test_the_first_answer_after_a_failure_is_not_passed_on(fault: str) -> None:
    world = held()
    world.double.faults["my_orders"] = [fault]
    client = world.market().client
    client.orders()
    known = asked(world)
    client.orders(max_age_s=3600)
    assert asked(world) == known + 1, "what followed the failure was not there to be taken"
    client.orders(max_age_s=3600)
    assert asked(world) == known + 2, "nor was the first answer of anybody else"
    client.orders(max_age_s=3600)
    assert asked(world) == known + 2


def test_a_post_ends_what_was_known() -> None:
    world = held()
    client = world.market().client
    client.orders()
    client.cancel_order(1, lambda: None)
    client.orders(max_age_s=3600)
    assert asked(world) == 2


def test_a_listing_from_the_future_and_an_unreadable_one_are_not_taken() -> None:
    world = held()
    client = world.market(Plug()).client
    client.orders()
    store = world.machine
    assert isinstance(store, MemoryStore)
    note = store.read("listing-active")
    assert note is not None
    for broken in (
        {**note, "at": note["at"] + 1e6},
        {**note, "body": {"orders": [{}]}},
        {"at": "now"},
    ):
        store.write("listing-active", broken)
        before = asked(world)
        client.orders(max_age_s=3600)
        assert asked(world) == before + 1


def test_g9_no_file_knows_where_a_wallet_is_paid() -> None:
    world = held()
    assert world.double.deposit not in "".join(world.machine.files.values())
