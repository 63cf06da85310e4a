"""What an earlier run may have left: found, kept, ended, or never bought past."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from clore_inference.clock import WallClock
from clore_inference.errors import (
    Ambiguous,
    NothingFits,
)
from clore_inference.market.guard import open_lease
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.ownership import draw_lease_id, mark
from clore_inference.secret import Secret
from support.lease_world import (
    IMAGE,
    PROJECT,
    MemoryStore,
    Stack,
    new_world,
    order_request,
)
from support.ledger_judge import (
    assert_none_left,
    assert_one_held,
)


def test_a_machine_without_memory_waits_for_a_settle_window_before_it_buys() -> None:
    world, stack = new_world(), Stack()
    market = world.market()
    lease_id = draw_lease_id(PROJECT, (22, 8000))
    stack.guard = {"lease_id": lease_id, "account": open_lease(market, lease_id)}
    world.fresh_machine()
    begun = world.clock.now()
    world.up(stack)
    assert world.double.create_outcomes[0][0] - begun >= 60
    assert_one_held(world, stack)


def test_the_first_purchase_of_a_lease_drawn_just_now_needs_no_settle_window() -> None:
    world = new_world()
    begun = world.clock.now()
    world.up(Stack())
    assert world.clock.now() - begun < 60


def test_g8_an_empty_list_right_after_an_error_is_asked_again() -> None:
    world, stack = new_world(), Stack()
    world.double.faults["my_orders"] = ["", "", "", "", "", "", "", "empty_after_error"]
    world.up(stack)
    stack.lease = None
    world.clock.time += 600
    world.machine = MemoryStore()
    world.double.faults["my_orders"] = ["empty_after_error"]
    world.up(stack)
    assert len(world.double.active()) == 1


def test_g1_an_order_that_this_machine_knows_is_not_believed_gone_when_it_is_not_listed() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    stack.lease = None
    world.clock.time += 600
    world.double.faults["my_orders"] = ["empty", "empty", "empty"]
    world.up(stack)
    assert len(world.double.creates) == 1
    assert_one_held(world, stack)


def test_more_than_one_match_keeps_the_oldest_and_ends_the_others() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    body = world.double.creates[0]
    twin = world.double.add_order(body, 103, 44)
    world.clock.time += 60
    stack.lease = None
    world.up(stack)
    assert_one_held(world, stack)
    assert twin.ended_by == "api"


def test_an_order_that_does_not_fit_the_request_is_released_first() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    stack.lease = None
    world.request = order_request(max_usd_per_day=Decimal("41.99"))
    world.clock.time += 600
    with pytest.raises(NothingFits):
        world.up(stack)
    assert_none_left(world)


def test_an_expired_order_is_not_adopted() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    stack.lease = None
    world.clock.time += 721 * 3600
    world.up(stack)
    assert_one_held(world, stack)
    assert len(world.double.creates) == 2


def test_an_order_without_ports_that_may_be_ours_is_never_bought_past() -> None:
    world, stack = new_world(), Stack()
    market = world.market()
    lease_id = draw_lease_id(PROJECT, (22, 8000))
    stack.guard = {"lease_id": lease_id, "account": open_lease(market, lease_id)}
    world.clock.time += 10
    suspect = world.double.human_rents(104, IMAGE, ports=False)
    with pytest.raises(Ambiguous, match=f"order {suspect.id} on server 104"):
        world.up(stack)
    assert not world.double.creates


def test_an_order_without_ports_from_before_the_guard_is_not_ours() -> None:
    world, stack = new_world(), Stack()
    world.double.human_rents(104, IMAGE, ports=False)
    world.clock.time += 30
    world.up(stack)
    assert len(world.double.active()) == 1


def test_an_order_without_ports_of_another_lease_of_this_machine_is_not_ours() -> None:
    world, mine, other = new_world(), Stack(), Stack()
    market = world.market()
    for stack in (mine, other):
        lease_id = draw_lease_id(PROJECT, (22, 8000))
        stack.guard = {"lease_id": lease_id, "account": open_lease(market, lease_id)}
    world.double.ports_lag_s = 1e9
    with pytest.raises(Ambiguous):
        world.up(other)
    world.double.ports_lag_s = 3
    world.up(mine)
    assert mine.lease is not None
    assert mine.lease["server_id"] == 102


def test_a_partial_mark_is_neither_ours_nor_clean() -> None:
    world, stack = new_world(), Stack()
    market = world.market()
    lease_id = draw_lease_id(PROJECT, (22, 8000))
    stack.guard = {"lease_id": lease_id, "account": open_lease(market, lease_id)}
    half = world.double.human_rents(104, "other/image")
    half.ports[str(mark(PROJECT, lease_id)[1])] = "tcp"
    with pytest.raises(Ambiguous):
        world.up(stack)
    assert not world.double.creates
    assert half.ended is None


def test_a_guard_and_a_lease_of_one_process_open_the_marketplace_as_the_same_one(
    tmp_path: Path,
) -> None:
    def opened() -> Marketplace:
        return Marketplace.open(
            api_url="http://127.0.0.1:1",
            key=Secret("k" * 32),
            clock=WallClock(),
            engine_alive=lambda: True,
            say=lambda _: None,
            state_root=tmp_path,
        )

    guard, lease = opened(), opened()
    guard.memory("a" * 32).open(None)
    assert lease.memory("a" * 32).quiet_until() <= lease.clock.now(), "no settle window to wait for"
