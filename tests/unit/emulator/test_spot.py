"""Spot orders: bids, outbidding, and the limits of repricing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.emulated import FINE_SERVER, KEYS, Emulated, emulated, order_body


@pytest.fixture
def market() -> Iterator[Emulated]:
    with emulated() as opened:
        yield opened


def test_a_bid_below_the_floor_is_refused_and_above_it_rents(market: Emulated) -> None:
    assert market.create(type="spot", spotprice=35.0).json() == {"code": 2}
    market.buy(type="spot", spotprice=36.0)
    (row,) = market.orders()
    assert (row["price"], row["spot"]) == (36, True)


def test_a_higher_bid_takes_the_server(market: Emulated) -> None:
    order_id = market.buy(type="spot", spotprice=36.0)
    same = order_body(FINE_SERVER, type="spot", spotprice=36.0)
    stranger = KEYS["stranger"]
    assert market.post("/v1/create_order", same, key=stranger).json()["code"] == 6
    more = {**same, "spotprice": 37.0}
    assert market.post("/v1/create_order", more, key=stranger).json() == {"code": 0}
    mine = next(order for order in market.ledger()["orders"] if order["id"] == order_id)
    assert (mine["active"], mine["end_reason"]) == (False, "outbid")


def test_the_spot_market_shows_the_bids_and_the_term_in_seconds(market: Emulated) -> None:
    order_id = market.buy(type="spot", spotprice=36.0)
    answer = market.get(f"/v1/spot_marketplace?market={FINE_SERVER}").json()
    assert answer["exists"] is True
    assert answer["market"]["offers"] == [
        {"offer_id": order_id, "bid": 36.0, "active": True, "my": True}
    ]
    assert answer["market"]["server"]["mrl"] == 168 * 3600
    assert market.get("/v1/spot_marketplace?market=1").json() == {"exists": False, "code": 0}
    assert market.get("/v1/spot_marketplace?market=x").json() == {"code": 2}


def test_a_bid_is_raised_at_once_and_lowered_rarely_in_small_steps(market: Emulated) -> None:
    order_id = market.buy(type="spot", spotprice=50.0)

    def reprice(price: float) -> dict[str, object]:
        body = {"order_id": order_id, "desired_price": price}
        answer: dict[str, object] = market.post("/v1/set_spot_price", body).json()
        return answer

    assert reprice(60.0) == {"code": 0}
    too_early = reprice(59.0)
    assert too_early["error"] == "can_lower_every_600_seconds"
    assert too_early["time_to_lowering"] == 589
    market.wait(600)
    assert reprice(40.0) == {"error": "exceeded_max_step", "max_step": 6.0, "code": 6}
    assert reprice(55.0) == {"code": 0}
    assert reprice(30.0) == {"code": 2}, "below the floor"


def test_a_repriced_order_is_billed_at_each_price_for_its_time(market: Emulated) -> None:
    order_id = market.buy(type="spot", spotprice=43.2)
    market.wait(994)
    market.post("/v1/set_spot_price", {"order_id": order_id, "desired_price": 86.4})
    market.wait(994)
    (row,) = market.orders()
    assert row["spend"] == pytest.approx(0.5 + 1.0), "1000 s at 43.20 and 1000 s at 86.40 a day"


def test_an_on_demand_order_has_no_bid(market: Emulated) -> None:
    order_id = market.buy()
    body = {"order_id": order_id, "desired_price": 99.0}
    assert market.post("/v1/set_spot_price", body).json() == {"code": 2}
    body = {"order_id": 5, "desired_price": 99.0}
    assert market.post("/v1/set_spot_price", body).json()["code"] == 6


def test_a_stranger_who_outbids_by_hand_shows_the_bid_on_the_spot_market(market: Emulated) -> None:
    order_id = market.buy(type="spot", spotprice=40.0)
    market.admin("POST", "/outbid", {"order_id": order_id})
    found = market.get(f"/v1/spot_marketplace?market={FINE_SERVER}").json()["market"]["offers"]
    assert [(one["bid"], one["my"]) for one in found] == [(44.0, False)]
    assert market.servers()[FINE_SERVER]["rented"]
    (row,) = market.orders(completed=True)
    assert (row["expired"], row["spot"]) == (True, True)
