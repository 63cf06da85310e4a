"""How a fault finds its request: endpoint, nth call, times, probability, account, phase."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clore_emulator.faults import PROFILES, BadRule, read_rule
from support.emulated import KEYS, Emulated, emulated


@pytest.fixture
def market() -> Iterator[Emulated]:
    with emulated() as opened:
        yield opened


def codes(market: Emulated, count: int) -> list[int]:
    return [market.get("/v1/wallets").json()["code"] for _ in range(count)]


def test_a_rule_fires_once_at_its_first_request_unless_told_otherwise(market: Emulated) -> None:
    market.arm(do="code1_and_nothing_done", on="wallets")
    assert codes(market, 3) == [1, 0, 0]


def test_nth_counts_from_when_the_rule_was_set(market: Emulated) -> None:
    codes(market, 2)
    market.arm(do="code1_and_nothing_done", on="wallets", nth=2, times=2)
    assert codes(market, 4) == [0, 1, 1, 0]


def test_an_absolute_nth_counts_from_the_start(market: Emulated) -> None:
    codes(market, 2)
    market.arm(do="code1_and_nothing_done", on="wallets", nth=4, absolute=True)
    assert codes(market, 3) == [0, 1, 0]


def test_a_probability_fires_for_ever_at_about_its_rate(market: Emulated) -> None:
    market.arm(do="code1_and_nothing_done", on="wallets", probability=0.5)
    first = codes(market, 60)
    assert 15 < sum(first) < 45
    with emulated() as again:
        again.arm(do="code1_and_nothing_done", on="wallets", probability=0.5)
        assert codes(again, 60) == first, "the same seed gives the same faults"


def test_a_rule_for_one_account_leaves_the_other_alone(market: Emulated) -> None:
    market.arm(do="key_revoked", account="stranger")
    assert codes(market, 1) == [0]
    assert market.get("/v1/wallets", key=KEYS["stranger"]).json() == {"code": 3}


def test_a_rule_meets_only_its_endpoint(market: Emulated) -> None:
    market.arm(do="code1_and_nothing_done", on=["my_orders", "spot_marketplace"])
    assert codes(market, 2) == [0, 0]
    assert market.get("/v1/my_orders").json() == {"code": 1}


def test_an_accepted_fault_waits_for_an_accepted_request(market: Emulated) -> None:
    market.arm(do="code1_but_accepted", on="create_order")
    assert market.create(1).json() == {"code": 2}, "a refusal is passed on as it is"
    assert market.create().json() == {"code": 1}


def test_faults_compose_on_one_request(market: Emulated) -> None:
    market.arm(do="price_rises_before_order(10)")
    market.arm(do="never_deploys")
    market.arm(do="code1_but_accepted", on="create_order")
    assert market.create().json() == {"code": 1}
    (entry,) = market.ledger(requests=True)["request_log"]
    assert entry["faults"] == ["price_rises_before_order", "never_deploys", "code1_but_accepted"]
    order = market.world.exchange.newest_order("renter")
    assert order is not None
    assert (float(order.price), order.truth["deploys"]) == (38.72, False)


def test_a_limit_violation_meets_no_fault(market: Emulated) -> None:
    market.arm(do="code1_and_nothing_done", on="wallets", nth=2)
    codes(market, 1)
    market.pause_s = 0
    assert codes(market, 1) == [5]
    market.pause_s = 6
    assert codes(market, 1) == [1]


def test_rules_are_listed_with_what_they_saw_and_lifted(market: Emulated) -> None:
    rule = market.arm(do="list_lags_by(20)")
    market.buy()
    (listed,) = market.admin("GET", "/faults")
    assert (listed["id"], listed["seconds"], listed["seen"], listed["fired"]) == (rule, 20.0, 1, 1)
    assert market.admin("DELETE", "/faults") == {"lifted": 1}
    assert market.admin("GET", "/faults") == []


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_replaces_what_was_armed(market: Emulated, profile: str) -> None:
    market.arm(do="key_revoked")
    market.admin("POST", "/profile", {"name": profile})
    armed = [rule["do"] for rule in market.admin("GET", "/faults")]
    assert armed == [rule["do"].partition("(")[0] for rule in PROFILES[profile]]  # type: ignore[index]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"do": "accept_then_drop_conection"}, "did you mean accept_then_drop_connection"),
        ({}, "there is no fault"),
        ({"do": "list_fails", "on": "wallets"}, "acts on my_orders"),
        ({"do": "list_fails", "phase": "after_answer"}, "acts in phase before"),
        ({"do": "list_fails", "nth": 0}, "from 1"),
        ({"do": "list_fails", "times": True}, "from 1"),
        ({"do": "list_fails", "probability": 2}, "between 0 and 1"),
        ({"do": "list_fails", "probability": "high"}, "must be a number"),
        ({"do": "list_fails", "seconds": 2}, "does not know"),
        ({"do": "list_fails(many)"}, "calls must be int"),
        ({"do": "key_revoked(1)"}, "takes no value"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_be_armed_says_why(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRule, match=message):
        read_rule(rule)
