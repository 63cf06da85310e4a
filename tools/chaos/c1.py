"""`make chaos-c1 N= SEED=`: kill a real provider process at protocol points, without the CLI.

N scenarios of the matrix (protocol point x fault x victim x recovery), then CONTROLS (30) random
runs on a hostile market for the protocol and for each broken one: those must leak in at least a
third of the runs that a simulation predicts for them. Exit code: 0 clean, and every control caught.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("tests", "components", "emulator")]

from support.chaos.c1 import Outcome, Scenario, matrix, play, some  # noqa: E402 - path above
from support.chaos.controls import REAL, Providers  # noqa: E402
from support.chaos.plan import parts  # noqa: E402
from support.chaos.predicted import PREDICTIONS, hostile_runs  # noqa: E402
from support.chaos.verdict import rate_bound  # noqa: E402
from support.market import Market  # noqa: E402

Work = Callable[[Market, Path], Iterable[Outcome]]


def shared_out(work: list[Work], scratch: Path) -> list[Outcome]:
    """Give every part of the work an emulator of its own; print each outcome."""

    def one(number: int) -> list[Outcome]:
        directory = scratch / str(number)
        market = Market.start(directory / "market", "--liars", "none")
        found = []
        try:
            for outcome in work[number](market, directory):
                verdict = "; ".join(outcome.failures) or "clean"
                struck = "" if outcome.struck else " (not struck)"
                print(f"{outcome.name}{struck}: {verdict}", flush=True)
                found.append(outcome)
        finally:
            market.stop()
        return found

    with ThreadPoolExecutor(len(work)) as pool:
        return [outcome for part in pool.map(one, range(len(work))) for outcome in part]


def points(scenarios: list[Scenario]) -> Work:
    """Play these scenarios."""
    return lambda market, directory: (
        play(scenario, market, directory / str(number), REAL)
        for number, scenario in enumerate(scenarios)
    )


def randomly(providers: Providers, then: Any, seeds: range) -> Work:
    """Play these seeds."""
    return lambda market, directory: hostile_runs(providers, then, seeds, market, directory)


def total(name: str, outcomes: list[Outcome]) -> dict[str, Any]:
    """Count, for the report."""
    leaks = sum(one.leaks for one in outcomes)
    return {
        "name": name,
        "runs": len(outcomes),
        "struck": sum(one.struck for one in outcomes),
        "leaking": leaks,
        "failed": [one.name for one in outcomes if one.failures],
        "leak_rate_below_95": round(rate_bound(leaks, len(outcomes)), 5),
    }


def main() -> int:
    """Read the environment and run."""
    given = os.environ.get
    runs, seed = int(given("N") or 40), int(given("SEED") or 1)
    each, workers = int(given("CONTROLS") or 30), int(given("WORKERS") or 2)
    scratch = Path(tempfile.mkdtemp(prefix="chaos-c1-"))
    print(f"C1: {min(runs, len(matrix()))} of {len(matrix())} scenarios, in {scratch}", flush=True)
    chosen = some(runs, seed)
    work = [points(chosen[number::workers]) for number in range(workers)]
    totals = [total("protocol, points", shared_out(work, scratch / "points"))]
    seeds = range(seed, seed + each)
    work = [randomly(REAL, "up", part) for part in parts(seeds, workers)]
    totals.append(total("protocol, hostile", shared_out(work, scratch / "protocol")))
    blind = []
    for one in PREDICTIONS:
        work = [randomly(one.providers, one.then, part) for part in parts(seeds, workers)]
        counted = total(one.providers.name, shared_out(work, scratch / one.providers.name))
        totals.append({**counted, "predicted": one.predicted, "least": round(one.least, 3)})
        if counted["leaking"] < one.least * each:
            blind.append(one.providers.name)
    out = Path(given("OUT") or ROOT / "build" / "chaos-c1")
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(totals, indent=1), encoding="utf-8")
    for row in totals:
        least = f", at least {row['least']:.0%} expected" if "least" in row else ""
        print(f"{row['name']}: {row['leaking']} of {row['runs']} runs leaked{least}")
    print(f"The harness is blind to: {', '.join(blind) or 'none of the controls'}")
    return 1 if blind or totals[0]["failed"] or totals[1]["failed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
