"""Servers that are not what they say, through the real engine: ended, left out, told with both values."""

from __future__ import annotations

import pytest

from support.market import Market
from support.rental import MakeRental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_liar_and_a_crawling_link_are_left_and_the_third_server_serves(
    make_rental: MakeRental, market: Market
) -> None:
    market.arm("server_lies(no_nvlink)", nth=1, times=1)
    market.arm("server_lies(crawling_link)", nth=2, times=1)
    rental = make_rental(maxReplacements="2")
    up = rental.up()
    assert up.code == 0, up.text
    assert "links between GPUs: SYS instead of NVLink between every two" in up.text
    assert "is slow, not false: its link brings" in up.text
    ended = [order for order in market.orders() if order["end_reason"]]
    assert len(ended) == 2
    assert [order["id"] for order in market.active_orders()] == [rental.order_id()]
    assert len({order["server_id"] for order in market.orders()}) == 3, "a liar is not asked again"
    again = rental.preview()
    assert set(again.changes) == {"same"}, again.text
    assert rental.destroy().code == 0
    assert market.active_orders() == []
