"""G5 where prices, fees, rates and offers move between every two requests; the ledger judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from clore_inference.market import asking as asking_module
from clore_inference.market import proving as proving_module
from clore_inference.market.purchase import Purchase
from support.drifting_market import Drift

Patch = pytest.MonkeyPatch
QUICK = range(60)
ALL = range(1000)


def drifts(seeds: range) -> Iterator[Drift]:
    for seed in seeds:
        drift = Drift(seed)
        drift.run()
        yield drift


def breaches(seeds: range) -> list[str]:
    return [line for drift in drifts(seeds) for line in drift.breaches()]


def assert_held(seeds: range) -> None:
    """No order above its cap was bought that the listing gave away, and none was ever kept."""
    bought = above = 0
    for drift in drifts(seeds):
        assert not drift.breaches(), drift.breaches()
        assert not drift.market.violations, f"seed {drift.seed}: the pace was broken"
        bought += len(drift.market.orders)
        above += len(drift.above_cap())
    assert bought > len(seeds), "too little was bought to say anything"
    assert above > len(seeds) // 40, "no fee moved and no price lied: the drift is not connected"


def test_g5_in_drifting_markets_no_order_above_its_cap_is_kept() -> None:
    assert_held(QUICK)


@pytest.mark.slow
def test_g5_in_a_thousand_drifting_markets_no_order_above_its_cap_is_kept() -> None:
    assert_held(ALL)


def test_without_the_look_at_the_accepted_order_one_above_its_cap_is_kept(
    monkeypatch: Patch,
) -> None:
    monkeypatch.setattr(proving_module, "above_cap", lambda *_: None)
    assert any("was kept" in line for line in breaches(QUICK))


def test_without_the_required_price_one_above_its_cap_is_bought(monkeypatch: Patch) -> None:
    body = Purchase._body

    def without(*args: Any) -> Mapping[str, Any]:
        return {name: value for name, value in body(*args).items() if name != "required_price"}

    monkeypatch.setattr(Purchase, "_body", without)
    assert any("the listing said" in line for line in breaches(QUICK))


def test_without_the_caps_look_at_the_listing_one_above_it_is_bought(monkeypatch: Patch) -> None:
    monkeypatch.setattr(asking_module, "all_in", lambda usd_per_day, *_: usd_per_day)
    assert any("the listing said" in line for line in breaches(QUICK))
