"""Spot orders: what is bid, what that costs, and what is told when somebody bids more."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.errors import HostRejected, NothingFits
from clore_inference.market.asking import Ask, Reason, ask
from clore_inference.market.bidding import bidding_of
from clore_inference.market.observe import Lost, observe
from clore_inference.market.order import HeldOrder
from clore_inference.market.proving import misfit
from clore_inference.market.wire import Server, orders_of, servers_of
from support.lease_world import PROJECT, Stack, World, new_world, order_request
from support.ledger_judge import assert_no_breach, assert_one_held
from support.server_row import server_row

FEE = Decimal("1.0125")


def spot_world(bid: str | None = None, cap: str = "50") -> tuple[World, Stack]:
    world = new_world()
    world.request = order_request(
        order_type="spot", spot_bid_usd_per_day=bid, max_usd_per_day=Decimal(cap)
    )
    for row in world.double.servers.values():
        row["price"]["spot"]["USD-Blockchain"] *= 0.5
    return world, Stack()


def offered(floor: object = 20, **other: object) -> Server:
    row = server_row(1, 40, **other)
    row["price"]["spot"] = {"USD-Blockchain": floor, "bitcoin": 0.0003}
    (server,) = servers_of({"servers": [row]}).servers
    return server


def test_a_spot_order_bids_the_floor_and_sends_no_required_price() -> None:
    world, stack = spot_world()
    world.up(stack)
    (body,) = world.double.creates
    assert (body["type"], body["spotprice"]) == ("spot", 20)
    assert "required_price" not in body, "the bid is the ceiling"
    held = HeldOrder.model_validate(stack.lease)
    assert held.usd_per_day == 20 * FEE, "the fee of a spot order is 1.25 %"
    assert held.order_type == "spot"
    assert held.cap_usd_per_day == Decimal(50)
    assert_one_held(world, stack)


def test_a_configured_bid_includes_the_fee_and_is_rounded_down() -> None:
    world, stack = spot_world("30.01")
    world.up(stack)
    (order,) = world.double.active()
    assert order.price == 29.63
    assert order.usd_per_day <= Decimal("30.01")


def test_g5_a_bid_is_strictly_below_the_cap() -> None:
    floor_at_the_cap = order_request(order_type="spot", max_usd_per_day=20 * FEE)
    refused = ask(offered(), floor_at_the_cap, Decimal(1))
    assert refused == Reason("too dear", "bid 20.25 USD/day with fee, cap 20.25 USD/day")
    above = order_request(order_type="spot", max_usd_per_day=20 * FEE + Decimal("0.01"))
    assert ask(offered(), above, Decimal(1)) == Ask(20, 20 * FEE)


def test_a_bid_below_the_floor_finds_no_offer_and_names_both() -> None:
    world, stack = spot_world("10")
    with pytest.raises(
        NothingFits, match=r"bid too low \(takes 20\.25 USD/day with fee, bid 9\.99"
    ):
        world.up(stack)
    assert not world.double.creates


@pytest.mark.parametrize("floor", [0, None, "many", True, float("nan")])
def test_a_server_without_a_floor_takes_no_bids_and_still_fits_on_demand(floor: object) -> None:
    server = offered(floor)
    assert isinstance(ask(server, order_request(order_type="spot"), Decimal(1)), Reason)
    assert isinstance(ask(server, order_request(), Decimal(1)), Ask)


def test_a_rented_server_is_not_bid_for() -> None:
    world, stack = spot_world()
    world.double.servers[101]["rented"] = True
    world.up(stack)
    assert world.double.creates[0]["renting_server"] == 102


def test_a_bid_in_a_coin_keeps_clear_of_the_cap_by_what_the_coin_may_move() -> None:
    rate = Decimal(60000)
    wanted = order_request(order_type="spot", currency="bitcoin", max_usd_per_day="18.40")
    refused = ask(offered(), wanted, rate)
    assert isinstance(refused, Reason)
    assert "less 1%, since its rate moves" in refused.detail
    assert isinstance(
        ask(offered(), order_request(order_type="spot", currency="bitcoin"), rate), Ask
    )


def an_hour_later(world: World, stack: Stack) -> None:
    """A diff looked at it in between, so the account is known."""
    world.up(stack)
    world.clock.time += 1800
    world.up(stack)
    world.clock.time += 1800


def lost(world: World, stack: Stack) -> str:
    assert stack.guard is not None
    held = HeldOrder.model_validate(stack.lease)
    seen = observe(world.market(), project=PROJECT, **stack.guard, held=held)
    assert isinstance(seen, Lost)
    return seen.reason


def test_an_outbid_order_names_its_bid_the_market_and_the_cap() -> None:
    world, stack = spot_world("30")
    an_hour_later(world, stack)
    order = world.double.active()[0]
    world.double.outbid(order, 40)
    begun = world.clock.now()
    text = lost(world, stack)
    assert "outbid at 29.99 USD a day with fee, market now 40.50 USD, cap 50.00 USD" in text
    assert f"order {order.id} on server 101 ended" in text
    assert world.clock.now() - begun <= 3, "a preview waits for this"


def test_an_end_that_nobody_outbid_says_what_is_known() -> None:
    world, stack = spot_world("30")
    an_hour_later(world, stack)
    world.double.end(world.double.active()[0], "human")
    text = lost(world, stack)
    assert "the API does not say which" in text
    assert "It was held at 29.99 USD a day with fee, market now 20.25 USD" in text


def test_a_spot_market_that_does_not_answer_changes_nothing_but_the_words() -> None:
    world, stack = spot_world("30")
    an_hour_later(world, stack)
    world.double.outbid(world.double.active()[0], 40)
    world.double.faults["spot_marketplace"] = ["garbage"]
    assert "outbid, by hand, by the server's owner or by Clore" in lost(world, stack)


def test_a_bid_is_never_raised_by_itself_and_the_next_up_takes_another_server() -> None:
    world, stack = spot_world("30")
    an_hour_later(world, stack)
    world.double.outbid(world.double.active()[0], 31)
    world.up(stack)
    assert_one_held(world, stack)
    assert_no_breach(world)
    first, second = world.double.creates
    assert first["spotprice"] == second["spotprice"]
    assert second["renting_server"] == 102, "the outbid server is taken"
    assert not any(name == "set_spot_price" for _, name in world.double.calls)


def test_g5_a_spot_order_that_was_sold_above_its_bid_is_cancelled_at_once() -> None:
    world, stack = spot_world("40")
    world.request = world.request.model_copy(update={"max_replacements": 0})
    world.double.faults["create_order"] = ["price_lies"]
    with pytest.raises(HostRejected, match="above the cap"):
        world.up(stack)
    assert not world.double.active()


def test_a_spot_order_does_not_serve_a_request_on_demand() -> None:
    world, stack = spot_world()
    world.up(stack)
    row = world.double._row(world.double.active()[0])
    (order,) = orders_of({"orders": [row]})
    assert "which anybody can outbid" in str(misfit(order, order_request(), Decimal(1)))
    assert misfit(order, world.request, Decimal(1)) is None


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        ({"market": {"offers": [], "server": {"min_pricing": {"USD-Blockchain": 20}}}}, 20),
        ({"market": {"offers": [{"bid": 25, "active": True, "my": False}, {"bid": 22}]}}, 25),
        ({"market": {"offers": [{"order_id": 1, "price": 24, "server_id": 1}]}}, 24),
        ({"market": {"offers": [{"bid": 25, "my": True}, {"bid": 29, "active": False}]}}, None),
        ({"market": {"offers": {"bid": 1}, "server": []}}, None),
        ({"market": {"offers": ["?", None, {"bid": "x"}, {"bid": True}]}}, None),
        ({"exists": False}, None),
        ({"market": None}, None),
    ],
)
def test_a_spot_market_is_read_as_far_as_it_can_be(
    body: dict[str, object], asks: int | None
) -> None:
    found = bidding_of(body, "USD-Blockchain").asks
    assert found == (None if asks is None else Decimal(asks) * FEE)


def test_a_bid_in_a_coin_without_a_rate_says_nothing() -> None:
    body = {"market": {"offers": [{"bid": 0.001}], "currency_rates_in_usd": {"bitcoin": 60000}}}
    assert bidding_of(body, "bitcoin").asks == Decimal(60) * FEE
    assert bidding_of(body, "CLORE-Blockchain").asks is None
