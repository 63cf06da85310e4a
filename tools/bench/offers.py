"""How long it takes to rank and explain 3,500 offers: the whole market of 2024, in today's shape.

The rows are the emulator's real ones, repeated to that number under other ids. `rank_ms` is ranking
and explaining what was read; `read_ms` is reading the answer's rows before that. Goal: at most 50 ms
for the first, the median of several runs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

from clore_emulator.market.build import build_market
from clore_inference.lifecycle.wanted import order_request
from clore_inference.market.offers import shortlist
from clore_inference.market.wire import servers_of
from clore_inference.spec import DeploymentSpec

OFFERS: Final = 3_500
RUNS: Final = 15
MOST_MS: Final = 50.0


def measure() -> dict[str, Any]:
    """Return medians in milliseconds, and what the market was explained as."""
    real = list(build_market(1).rows.values())
    rows = [{**real[at % len(real)], "id": at} for at in range(OFFERS)]
    body = {"code": 0, "servers": rows}
    wishes = {"licenseUse": "evaluation", "maxUsdPerDay": "60"}
    request = order_request(DeploymentSpec.parse(wishes), "")
    market = servers_of(body)
    rank_ms = _median_ms(lambda: shortlist(market, request))
    return {
        "offers": OFFERS,
        "rank_ms": rank_ms,
        "read_ms": _median_ms(lambda: servers_of(body)),
        "explanation": shortlist(market, request).explanation,
        "goal_reached": rank_ms <= MOST_MS,
    }


def _median_ms(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begun)
    return round(statistics.median(seconds) * 1000, 1)
