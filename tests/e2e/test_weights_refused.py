"""Weights that cannot be fetched stop an `up` before anything is bought."""

from __future__ import annotations

import pytest

from support.market import Market
from support.rental import MakeRental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_token_that_does_not_open_the_repository_buys_nothing(
    make_rental: MakeRental, market: Market
) -> None:
    rental = make_rental()
    seen = rental.preview()
    assert seen.code == 0, seen.text
    assert "exists, and the token opens it" in seen.text, "a preview that would buy asks the hub"
    assert "Offers that fit now" in seen.text, "and the market"
    rental.environment["HF_TOKEN"] = "hf_emulator_without_access"
    warned = rental.preview()
    assert warned.code == 0, "a preview warns: it may be for somebody with another token"
    assert any("is closed to the token's account" in one for one in warned.messages("warning"))
    rental.environment["CLORE_INFERENCE_OFFLINE"] = "1"
    assert "were not looked at" in rental.preview().text
    result = rental.up()
    assert result.code != 0
    assert "is closed to the token's account" in result.text, result.text
    assert market.ledger()["posts"] == 0, "nothing was bought"
    assert rental.destroy().code == 0
