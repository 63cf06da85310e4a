"""Bad input: a clear error, all findings at once, nothing bought and nothing lost."""

from __future__ import annotations

import pytest

from support.market import Market
from support.rental import MakeRental, Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_four_mistakes_are_four_findings_each_with_its_fix_and_nothing_is_posted(
    rental: Rental, market: Market
) -> None:
    rental.unset("licenseUse")
    rental.configure(
        topology="5xH100", maxUsdPerDay="0", maxModelLen="many", maxModelLenght="65536"
    )
    for result in (rental.preview(), rental.up()):
        assert result.code != 0
        for name in ("topology", "maxUsdPerDay", "maxModelLen", "maxModelLenght", "licenseUse"):
            assert name in result.text, f"{name} is among the findings"
        assert "pulumi config set licenseUse" in result.text, "a finding says what to run"
        assert "Did you mean maxModelLen?" in result.text
        assert "Traceback" not in result.text.split("5 findings")[0], "the reason comes first"
    assert market.ledger()["posts"] == 0


def test_a_secret_in_clear_is_a_finding_and_is_not_repeated(rental: Rental, market: Market) -> None:
    rental.configure(hfToken="hf_this_stands_in_clear_text")
    result = rental.preview()
    assert result.code != 0
    assert "--secret" in result.text
    assert "hf_this_stands_in_clear_text" not in result.text


@pytest.mark.parametrize("stack", ["h100", "h200"])
def test_a_shipped_stack_previews_without_key_network_or_post(
    make_rental: MakeRental, stack: str
) -> None:
    rental = make_rental()
    del rental.environment["CLORE_API_KEY"], rental.environment["HF_TOKEN"]
    rental.stack = stack
    rental.create_stack()
    result = rental.preview("--stack", stack)
    assert result.code == 0, result.text
    assert "mistralai/Mistral-Medium-3.5-FP8" in result.text
