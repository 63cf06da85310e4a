"""What is only slow is weighed against what a new order costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.sizing.replacement import weigh

FP8 = 133_605_834_656


@pytest.mark.parametrize("mbps", [5000, 1000, 700, 600])
def test_a_link_that_costs_about_as_much_as_a_new_order_is_kept(mbps: float) -> None:
    found = weigh(FP8, measured_mbps=mbps, expected_mbps=1000, usd_per_day=Decimal(40))
    assert found.keep, found.words


@pytest.mark.parametrize("mbps", [500, 100, 20])
def test_a_link_is_left_where_a_new_order_is_cheaper(mbps: float) -> None:
    found = weigh(FP8, measured_mbps=mbps, expected_mbps=1000, usd_per_day=Decimal(40))
    assert not found.keep, found.words


def test_the_words_have_both_ways_in_minutes_and_money() -> None:
    found = weigh(FP8, measured_mbps=300, expected_mbps=1000, usd_per_day=Decimal(40))
    assert found.words == (
        "its link brings 300 Mbps: the weights take 59 min 23 s and 1.65 USD here, a new order with "
        "its fee, image and weights 21 min 25 s and 0.69 USD: it is left"
    )


def test_few_bytes_are_not_worth_a_new_order() -> None:
    assert weigh(10**9, measured_mbps=100, expected_mbps=1000, usd_per_day=Decimal(40)).keep
    cheap = weigh(FP8, measured_mbps=500, expected_mbps=1000, usd_per_day=Decimal("0.5"))
    assert cheap.keep, "where hours cost cents, the creation fee decides"
