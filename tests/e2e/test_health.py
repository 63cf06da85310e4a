"""An endpoint that only looks alive is not believed, and what is wrong has a name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.market import Market
from support.rental import Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SMOKE = str(Path(sys.executable).parent / "clore-inference")
NAMED = {
    "drops_reasoning": ("chat-deep", "--reasoning-parser mistral"),
    "drops_tool_calls": ("tool-call", "--tool-call-parser mistral"),
    "serves_other_model": ("model-id", "--served-model-name"),
    "answers_400_to_every_chat": ("chat-instant", "mistral_common"),
}


def test_g11_each_way_of_only_looking_alive_is_named_with_the_flag_that_explains_it(
    rental: Rental, market: Market
) -> None:
    assert rental.up().code == 0
    order = rental.order_id()
    for fault, (check, explanation) in NAMED.items():
        market.engine_faults(order, fault)
        seen = rental.shell(SMOKE, "smoke", "--stack", rental.stack)
        assert seen.returncode == 1, seen.stdout + seen.stderr
        assert f"FAILED  {check}" in seen.stdout
        assert explanation in " ".join(seen.stdout.split()), seen.stdout

    market.engine_faults(order, "serves_other_model")
    failed = rental.up()
    assert failed.code != 0, "a green stack over the wrong model would be a lie"
    assert "model-id" in failed.text
    assert f"order {order}" in failed.text, "what goes on billing is named"

    market.engine_faults(order)
    healed = rental.up()
    assert healed.code == 0, healed.text
    assert rental.order_id() == order
    assert rental.shell(SMOKE, "smoke", "--stack", rental.stack).returncode == 0
