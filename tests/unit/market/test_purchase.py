"""Buying at most once: what is sent, to whom, and what an answer or a doubt does."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.errors import (
    Ambiguous,
    NothingFits,
    Refused,
)
from clore_inference.market.memory import Claim
from clore_inference.market.ownership import mark
from support.lease_world import (
    IMAGE,
    PROJECT,
    Plug,
    Stack,
    new_world,
    order_request,
)
from support.ledger_judge import (
    assert_below_cap,
    assert_no_breach,
    assert_one_held,
)


def test_one_order_is_bought_with_everything_it_needs() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    (body,) = world.double.creates
    assert stack.guard is not None
    marks = {str(port): "tcp" for port in mark(PROJECT, stack.guard["lease_id"])}
    assert body == {
        "currency": "USD-Blockchain",
        "image": IMAGE,
        "renting_server": 101,
        "type": "on-demand",
        "ports": {"22": "tcp", "8000": "http", **marks},
        "ssh_key": world.request.ssh_public_key,
        "autossh_entrypoint": True,
        "required_price": 40,
    }


def test_g4_the_last_listing_before_a_purchase_is_seconds_old() -> None:
    world = new_world()
    world.up(Stack())
    names = [name for _, name in world.double.calls]
    before = names[: names.index("create_order")]
    assert before[-1] == "my_orders"
    assert before[-2] == "marketplace", "the price is read again right before"


@pytest.mark.parametrize("fault", ["drop_after", "code1_after", "limited_after", "html_after"])
def test_g1_an_order_behind_an_ambiguous_answer_is_found_and_adopted(fault: str) -> None:
    world, stack = new_world(list_lag_s=25), Stack()
    world.double.faults["create_order"] = [fault]
    world.up(stack)
    assert_one_held(world, stack)
    assert len(world.double.creates) == 1


@pytest.mark.parametrize("fault", ["drop_before", "limited"])
def test_g4_an_ambiguous_answer_without_an_order_stops_and_the_next_up_buys(fault: str) -> None:
    world, stack = new_world(), Stack()
    world.double.faults["create_order"] = [fault]
    with pytest.raises(Ambiguous, match="server 101") as caught:
        world.up(stack)
    assert caught.value.server_id == 101
    assert "1.75 USD an hour" in str(caught.value)
    assert len(world.double.creates) == 1, "nothing else is bought on a doubt"
    world.up(stack)
    assert_one_held(world, stack)
    assert_no_breach(world)


def test_a_refused_server_is_remembered_and_the_next_offer_bought() -> None:
    world, stack = new_world(), Stack()
    world.double.faults["create_order"] = ["offline"]
    world.up(stack)
    assert [body["renting_server"] for body in world.double.creates] == [101, 102]
    assert world.market().exclusions.current() == {101: "server-offline"}
    (told,) = world.market().exclusions.told().values()
    assert told.startswith("server-offline; asked again in 59 min")
    world.clock.time += 3601
    assert world.market().exclusions.current() == {}, "an exclusion expires"


def test_a_server_that_a_stranger_rented_first_is_passed_over() -> None:
    world, stack = new_world(), Stack()

    def stranger() -> None:
        world.double.before_create = None
        world.double.human_rents(101, "x").owner = "stranger"

    world.double.before_create = stranger
    world.up(stack)
    assert_one_held(world, stack)
    assert world.double.active()[0].server_id == 102


def test_already_rented_is_ambiguous_right_after_our_own_post() -> None:
    world, stack = new_world(), Stack()
    other = Stack()
    world.double.list_lag_s, world.double.ports_lag_s = 20, 20
    world.double.faults["create_order"] = ["drop_after"]
    world.up(stack)
    world.double.servers[101]["rented"] = False
    world.up(other)
    assert len(world.double.active()) == 2
    assert_no_breach(world)


def test_a_server_that_another_lease_of_this_machine_was_faster_on_is_not_posted_to() -> None:
    world, stack, plug = new_world(), Stack(), Plug(crash_at=0)

    def another_lease_posts() -> None:
        claim = Claim(lease_id="b" * 32, at=world.clock.now(), done=True)
        if "get marketplace" in plug.steps:
            world.market(plug).claims.note(101, claim)
        else:
            plug.crash_at = plug.seen

    plug.at_crash = another_lease_posts
    world.up(stack, plug)
    assert [body["renting_server"] for body in world.double.creates] == [102]


def test_g5_a_price_that_rose_since_the_listing_is_not_paid() -> None:
    world, stack = new_world(), Stack()

    def rises() -> None:
        world.double.before_create = None
        world.double.servers[101]["price"]["on_demand"]["USD-Blockchain"] = 90

    world.double.before_create = rises
    with pytest.raises(Ambiguous, match=r"42\.00 USD a day with fee when .*, 94\.50 USD now"):
        world.up(stack)
    world.up(stack)
    assert_below_cap(world, world.request.max_usd_per_day)
    assert world.double.active()[0].server_id == 102


def test_g5_an_accepted_order_above_the_cap_is_cancelled_at_once() -> None:
    world, stack = new_world(), Stack()
    world.double.faults["create_order"] = ["price_lies"]
    world.up(stack)
    assert_below_cap(world, world.request.max_usd_per_day)
    assert_one_held(world, stack)
    first = world.double.orders[0]
    assert first.ended_by == "api"
    assert first.ended is not None
    assert first.ended - first.created < 60
    assert any("63.00 USD a day with fee, above the cap of 50.00" in line for line in world.said)


def test_a_marketplace_that_does_not_echo_ports_is_reported_and_never_guessed_at() -> None:
    world, stack = new_world(echo_ports=False), Stack()
    with pytest.raises(Ambiguous, match=r"looks like order \d+, which shows no mark"):
        world.up(stack)
    assert len(world.double.creates) == 1
    assert world.double.orders[0].ended is None


def test_a_wallet_that_cannot_pay_an_hour_buys_nothing_and_names_both_sums() -> None:
    world = new_world(balance=1.5)
    with pytest.raises(Refused, match=r"has 1\.50 USD, but 1 h on server 101 needs 1\.85 USD"):
        world.up(Stack())
    assert not world.double.creates


def test_nothing_fits_says_why() -> None:
    world = new_world()
    world.request = order_request(max_usd_per_day=Decimal(30))
    with pytest.raises(NothingFits, match="4 seen: 4 too dear, none fits"):
        world.up(Stack())


def test_on_a_fresh_machine_servers_of_short_lived_orders_come_last() -> None:
    world, stack = new_world(), Stack()
    world.liars = {101}
    world.up(stack)
    world.destroy(stack)
    world.liars = set()
    world.fresh_machine()
    world.up(stack)
    assert world.double.active()[0].server_id == 103


def test_waiting_is_told_in_throttled_lines() -> None:
    world = new_world(ports_lag_s=100)
    world.up(Stack())
    waits = [line for line in world.said if "not recognised yet" in line]
    assert 1 <= len(waits) <= 4
