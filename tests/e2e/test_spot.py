"""A spot order through the real engine: bid, outbid by a stranger, told, bid for elsewhere."""

from __future__ import annotations

import pytest

from support.leases import held, only_leases
from support.market import Market
from support.rental import MakeRental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_an_outbid_order_is_told_with_three_prices_and_the_next_up_bids_no_more(
    make_rental: MakeRental, market: Market
) -> None:
    rental = only_leases(make_rental(orderType="spot", spotBidUsdPerDay="50"), "one")
    assert rental.up().code == 0
    [first] = market.active_orders()
    assert first["type"] == "spot"
    assert first["usd_per_day_with_fee"] <= 50

    market.admin("POST", "/outbid", order_id=first["id"])
    again = rental.up()
    assert again.code == 0, again.text
    [told] = [line for line in again.messages("warning") if "outbid at" in line]
    assert f"order {first['id']} on server {first['server_id']} ended" in told
    for part in ("outbid at 50.00 USD a day with fee", "market now 55.00 USD", "cap 60.00 USD"):
        assert part in told, told
    assert "`pulumi up` bids 50.00 USD a day for a free server" in told
    [second] = market.active_orders()
    assert second["server_id"] != first["server_id"]
    assert second["usd_per_day"] == first["usd_per_day"], "a bid is never raised by itself"
    assert held(rental) == [second["id"]]
    assert rental.destroy().code == 0
    assert market.active_orders() == []
