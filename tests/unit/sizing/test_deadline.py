"""Deadlines follow from sizes and rates, each budget by its name, and never fall below a floor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clore_inference.market.request import OrderRequest
from clore_inference.sizing.deadline import (
    ACCEPT_FLOOR_S,
    ACCEPT_MOST_S,
    JOB_FLOOR_S,
    acceptance,
    fetch,
    serve,
)
from clore_inference.sizing.requirement import order_request_fields
from clore_inference.spec import DeploymentSpec
from clore_inference.units import GB

BASE = {"licenseUse": "evaluation", "maxUsdPerDay": "45"}
SPEC = DeploymentSpec.parse(BASE)
RATES = st.floats(1, 100_000)


def request(**values: object) -> OrderRequest:
    spec = DeploymentSpec.parse({**BASE, **values})
    return OrderRequest.model_validate({**order_request_fields(spec), "ssh_public_key": ""})


def test_a_fast_link_gets_the_floor_and_a_slow_one_the_time_of_its_image() -> None:
    assert acceptance(SPEC, 5000).seconds == ACCEPT_FLOOR_S
    assert acceptance(SPEC, 300).seconds == 3 * 320 + 120 + 180 + 120
    assert acceptance(SPEC, 10).seconds == ACCEPT_MOST_S


def test_a_deadline_names_its_budgets_and_their_reasons() -> None:
    head, *rows = acceptance(SPEC, 300).lines()
    assert head == "at most 23 min, never less than 15 min"
    assert [row.partition(":")[0] for row in rows] == ["order", "image", "connect", "attest"]
    assert "12.0 GB at 300 Mbps advertised, up to 3 times as slow" in rows[1]


def test_a_configured_deadline_is_the_whole_of_it() -> None:
    spec = DeploymentSpec.parse({**BASE, "acceptDeadlineMinutes": 5})
    assert acceptance(spec, 10).seconds == 300
    assert request(acceptDeadlineMinutes=5).deadline_at(10) == 300


@given(RATES)
def test_the_market_puts_the_same_deadline_together_for_each_offer(mbps: float) -> None:
    assert request().deadline_at(mbps) == pytest.approx(acceptance(SPEC, mbps).seconds)


def test_an_offer_that_says_nothing_of_its_link_gets_the_floor() -> None:
    assert request().deadline_at(0) == ACCEPT_FLOOR_S


def test_the_longest_deadline_is_that_of_the_slowest_link_that_may_be_rented() -> None:
    assert request(minDownMbps=300).longest_deadline_s == acceptance(SPEC, 300).seconds
    assert request(minDownMbps=0).longest_deadline_s == ACCEPT_MOST_S


@given(RATES, RATES)
def test_a_slower_link_never_gets_less_time(one: float, other: float) -> None:
    slow, fast = sorted((one, other))
    assert acceptance(SPEC, slow).seconds >= acceptance(SPEC, fast).seconds
    weights = 133 * GB
    assert (
        fetch(weights, slow, measured=True).seconds >= fetch(weights, fast, measured=True).seconds
    )


def test_weights_get_three_times_their_transfer_and_their_verification() -> None:
    found = fetch(133 * GB, 1000, measured=True)
    assert found.seconds == 3 * 1064 + 3 * 266
    assert [one.name for one in found.budgets] == ["weights", "verify"]
    assert "1000 Mbps measured" in found.budgets[0].because
    assert fetch(1 * GB, 1000, measured=False).seconds == JOB_FLOOR_S


@pytest.mark.parametrize(
    ("disk_bytes_per_s", "load_s"),
    [(None, 199.5), (5e9, 199.5), (500e6, 798), (1, 13300), (31e6, 3 * 133e9 / 31e6)],
)
def test_an_engine_gets_the_time_of_its_hosts_disk(
    disk_bytes_per_s: float | None, load_s: float
) -> None:
    found = serve(133 * GB, disk_bytes_per_s=disk_bytes_per_s)
    assert found.budgets[0].seconds == pytest.approx(load_s)
    assert found.seconds == max(JOB_FLOOR_S, load_s + 180)


def test_an_install_comes_on_top_of_the_floor() -> None:
    found = serve(1 * GB, install_bytes=6 * GB, link_mbps=1000)
    assert found.seconds == JOB_FLOOR_S + 3 * 48 + 1800
    assert [one.name for one in found.budgets] == ["load", "warm-up", "install", "unpack"]
