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
    rental.environment["HF_TOKEN"] = "hf_emulator_without_access"
    result = rental.up()
    assert result.code != 0
    assert "is closed to the token's account" in result.text, result.text
    assert market.ledger()["posts"] == 0, "nothing was bought"
    assert rental.destroy().code == 0
