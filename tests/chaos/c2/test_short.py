"""C2, a short part: the real CLI is killed, and the ledger counts when every orphan has ended.

Slow, because each run is a real `pulumi` with an emulated marketplace of its own; `make chaos N=300`
runs more. What ever failed is a file in `regressions`, and is replayed here for ever.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.chaos.c2 import LIGHT, Chaos
from support.chaos.fleet import chaos_of
from support.chaos.plan import Plan, draw
from support.engine import Engine, ensured_engine
from support.market import TIME_SCALE

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

REGRESSIONS = Path(__file__).resolve().parents[1] / "regressions"
BOUGHT = ("create_order", "after_commit", 1)


def plan(number: int, **drawn: Any) -> Plan:
    return Plan.of({**draw(number).document(), "rival": False, "after_s": None, **drawn})


SHORT = (
    plan(1, during="up", victim="cli", hook=BOUGHT, then="destroy"),
    plan(2, during="up", victim="provider", hook=BOUGHT, then="up"),
    plan(3, during="up", victim="both", hook=("create_order", "before", 1), then="refresh"),
    plan(4, during="up", victim="interrupt twice", hook=BOUGHT, then="destroy"),
    plan(5, during="repair", victim="group", hook=None, after_s=1.5, then="up"),
    plan(6, during="destroy", victim="cli", hook=("cancel_order", "after_commit", 1), then="up"),
)
FAILED_ONCE = tuple(
    Plan.parse(file.read_text(encoding="utf-8")) for file in sorted(REGRESSIONS.glob("*.json"))
)
UNGUARDED = LIGHT.replace(
    "from clore_inference.gpu_order import GpuOrder\n",
    "from clore_inference import gpu_order\n"
    "from clore_inference.gpu_order import GpuOrder\n"
    "from support.chaos.controls import IdleGuard\n"
    "\n"
    "gpu_order.LeaseGuardProvider = IdleGuard\n",
)


@pytest.fixture(scope="module")
def ours() -> Engine:
    return ensured_engine()


@pytest.mark.parametrize("drawn", [*SHORT, *FAILED_ONCE], ids=lambda one: f"{one.seed}-{one.point}")
def test_g1_g2_g3_nothing_is_lost_doubled_or_strange_after_a_kill_of_the_real_cli(
    drawn: Plan, ours: Engine, tmp_path: Path
) -> None:
    chaos = chaos_of(drawn, tmp_path, ours, TIME_SCALE)
    try:
        verdict = chaos.run()
    finally:
        chaos.close()
    assert not verdict.failures, verdict.line()
    assert verdict.struck or drawn.hook is None, "the kill found no victim: nothing was proven"


def test_a_missing_guard_is_caught_through_the_real_cli(ours: Engine, tmp_path: Path) -> None:
    killed = plan(7, profile="calm", during="up", victim="both", hook=BOUGHT, then="destroy")
    chaos = Chaos(killed, tmp_path, ours, TIME_SCALE, program=UNGUARDED)
    try:
        verdict = chaos.run()
    finally:
        chaos.close()
    assert verdict.struck
    assert verdict.left, f"the harness is blind: {verdict.line()}"
