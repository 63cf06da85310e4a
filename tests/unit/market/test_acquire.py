"""Acquire on a calm and on a moody market; the ledger is asked, not our state."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.errors import (
    Ambiguous,
    HostRejected,
    HostUnreachable,
    ListingFailed,
    NothingFits,
    NotYetGone,
    Refused,
    WrongAccount,
)
from clore_inference.market.acquire import acquire
from clore_inference.market.guard import open_lease
from clore_inference.market.memory import Claim
from clore_inference.market.order import ActiveOrder, HeldOrder
from clore_inference.market.ownership import draw_lease_id, mark
from support.lease_world import (
    IMAGE,
    PROJECT,
    MemoryStore,
    Plug,
    Stack,
    new_world,
    order_request,
)
from support.ledger_judge import (
    assert_below_cap,
    assert_no_breach,
    assert_none_left,
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


def test_the_first_purchase_of_a_lease_drawn_just_now_needs_no_settle_window() -> None:
    world = new_world()
    begun = world.clock.now()
    world.up(Stack())
    assert world.clock.now() - begun < 60


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
    with pytest.raises(Ambiguous):
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
    world.double.faults["wallets"] = ["", "revoked"]
    with pytest.raises(ListingFailed, match="API key is refused"):
        world.up(Stack())
    assert len(world.double.calls) == 2


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


def test_g3_another_accounts_key_is_refused_before_anything_is_decided() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    stack.lease = None
    world.double.deposit = "usd1somebody"
    calls = len(world.double.calls)
    with pytest.raises(WrongAccount):
        world.up(stack)
    assert [name for _, name in world.double.calls[calls:]] == ["wallets"]


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


def test_an_order_whose_ports_come_late_is_waited_for() -> None:
    world, stack = new_world(ports_lag_s=400), Stack()
    world.up(stack)
    assert_one_held(world, stack)
