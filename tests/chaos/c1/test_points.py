"""C1: a real provider process over HTTP, killed at protocol points under faults.

Slow, because each run starts three Python processes; a part of the matrix, the rest is for
`make chaos-c1 N=`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.chaos.c1 import Scenario, play
from support.chaos.controls import REAL
from support.market import Market

pytestmark = pytest.mark.slow

SCENARIOS = (
    Scenario("up", ("create_order", "after_commit", 1), None, "provider", "up"),
    Scenario("up", ("create_order", "after_commit", 1), "list_lags_by(45)", "provider", "destroy"),
    Scenario("up", ("create_order", "before", 1), "code1_but_accepted", "engine", "up"),
    Scenario("up", ("my_orders", "before", 2), "someone_rents_first", "engine", "destroy"),
    Scenario("up", ("create_order", "after_answer", 1), "ports_lag_by(30)", "engine", "up"),
    Scenario("destroy", ("cancel_order", "after_commit", 1), "cancel_lies", "provider", "destroy"),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_g1_g2_no_order_is_lost_or_doubled_when_a_process_dies_at(
    scenario: Scenario, market: Market, tmp_path: Path
) -> None:
    outcome = play(scenario, market, tmp_path, REAL)
    assert not outcome.failures, outcome
    assert outcome.struck, "the point was not reached: nothing was proven"
