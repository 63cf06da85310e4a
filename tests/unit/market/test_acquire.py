"""Acquire on a calm and on a moody market; the ledger is asked, not our state."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.errors import (
    Ambiguous,
    HostRejected,
    HostUnreachable,
    ListingFailed,
    NotYetGone,
    WrongAccount,
)
from clore_inference.market.acquire import acquire
from clore_inference.market.guard import open_lease
from clore_inference.market.order import ActiveOrder, HeldOrder
from clore_inference.market.ownership import draw_lease_id
from support.lease_world import (
    PROJECT,
    Stack,
    new_world,
)
from support.ledger_judge import (
    assert_none_left,
    assert_one_held,
)


def test_the_held_order_says_where_it_is_what_it_costs_and_when_it_ends() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    held = HeldOrder.model_validate(stack.lease)
    (order,) = world.double.active()
    assert held.usd_per_day == Decimal("42.00"), "40 and 5 % fee"
    assert held.ends_at == int(order.created) + 720 * 3600
    assert (held.ssh_host, held.ssh_port) == ("n1.us.clorecloud.net", 1200)
    assert held.http_url == f"https://x{order.id}.us.clorecloud.net"
    assert held.accepted == {"host_key": "ssh-ed25519 AAAA", "gpus": []}
    assert HeldOrder.model_validate_json(held.model_dump_json()) == held


def test_a_second_up_posts_nothing() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    world.up(stack)
    assert len(world.double.creates) == 1


def test_g6_a_lying_host_is_released_excluded_and_replaced_in_one_up() -> None:
    world, stack = new_world(), Stack()
    world.liars = {101}
    world.up(stack)
    assert_one_held(world, stack)
    assert world.double.active()[0].server_id == 102
    assert 101 in world.market().exclusions.current(rejected_only=True)


def test_g6_at_most_k_replacements_and_then_nothing_is_left() -> None:
    world, stack = new_world(), Stack()
    world.liars = {101, 102, 103}
    with pytest.raises(HostRejected, match="1 of 1 replacements are used"):
        world.up(stack)
    assert len(world.double.creates) == 2
    assert_none_left(world)


def test_g6_no_replacement_before_the_cancel_is_verified() -> None:
    world, stack = new_world(), Stack()
    world.liars = {101}
    world.double.faults["cancel_order"] = ["fails"] * 40
    with pytest.raises(NotYetGone, match=r"1\.75 USD an hour"):
        world.up(stack)
    assert len(world.double.creates) == 1
    world.double.faults.clear()
    world.up(stack)
    assert_one_held(world, stack)
    assert world.double.active()[0].server_id == 102, "a turned down host is never adopted"


def test_g6_a_host_that_never_shows_an_address_is_replaced_after_its_deadline() -> None:
    world, stack = new_world(), Stack()

    def never() -> None:
        world.double.before_create = None
        world.double.ports_lag_s = 1e9

    world.double.before_create = never
    with pytest.raises(Ambiguous) as caught:
        world.up(stack)
    assert "server 101" in str(caught.value), "an order that cannot be recognised is named"
    assert len(world.double.creates) == 1, "and never bought past"


def test_other_errors_of_acceptance_keep_the_order_for_the_next_up() -> None:
    world, stack = new_world(), Stack()
    market = world.market()
    lease_id = draw_lease_id(PROJECT, (22, 8000))
    account = open_lease(market, lease_id)
    stack.guard = {"lease_id": lease_id, "account": account}

    def unreachable(order: ActiveOrder) -> dict[str, str]:
        message = f"order {order.order_id} does not answer"
        raise HostUnreachable(message)

    with pytest.raises(HostUnreachable):
        acquire(
            market,
            project=PROJECT,
            lease_id=lease_id,
            account=account,
            request=world.request,
            accept=unreachable,
        )
    assert "goes on billing 1.75 USD an hour" in world.said[-1]
    world.up(stack)
    assert len(world.double.creates) == 1
    assert_one_held(world, stack)


def test_g8_a_listing_that_fails_buys_nothing() -> None:
    world = new_world()
    world.double.faults["my_orders"] = ["garbage", "fails"] * 40
    begun = world.clock.now()
    with pytest.raises(ListingFailed, match="nothing"):
        world.up(Stack())
    assert not world.double.creates
    assert 60 <= world.clock.now() - begun < 100, "asked again for a minute, no longer"


def test_g8_a_revoked_key_is_not_asked_again_for_a_minute() -> None:
    world = new_world()
    world.double.faults["my_orders"] = ["revoked"]
    with pytest.raises(ListingFailed, match="API key is refused"):
        world.up(Stack())
    assert len(world.double.calls) == 2


def test_g3_another_accounts_key_is_refused_before_anything_is_decided() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    stack.lease = None
    world.double.deposit = "usd1somebody"
    calls = len(world.double.calls)
    with pytest.raises(WrongAccount):
        world.up(stack)
    assert [name for _, name in world.double.calls[calls:]] == ["wallets"]


def test_an_order_whose_ports_come_late_is_waited_for() -> None:
    world, stack = new_world(ports_lag_s=400), Stack()
    world.up(stack)
    assert_one_held(world, stack)
