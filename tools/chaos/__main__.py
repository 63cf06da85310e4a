"""`make chaos N= SEED=`: kill the real Pulumi CLI at every point, and count what the ledger says.

Each seed is one run with an emulated marketplace of its own; see docs/chaos.md. A run that fails
leaves tests/chaos/regressions/<seed>.json, which a test replays for ever, and its whole directory.
Environment: N, SEED, PROFILE (hostile), KIND (`fleet`: three replicas, two stacks, two operators),
WORKERS (2), TIME_SCALE (60), FULL_EVERY (25), OUT (build/chaos). Exit code: 0 clean, 1 something leaked or broke a promise, 3 a run did
not finish, or too few kills found their victim.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("tests", "components", "emulator")]

from support.chaos import report  # noqa: E402 - found on the path above
from support.chaos.fleet import chaos_of  # noqa: E402
from support.chaos.plan import Plan, draw, draw_fleet  # noqa: E402
from support.chaos.verdict import Verdict  # noqa: E402
from support.engine import Engine, ensured_engine  # noqa: E402

LEAST_STRUCK: Final = 0.6
"""Share of runs; some points are never reached, because a command may end before."""
REGRESSIONS: Final = ROOT / "tests" / "chaos" / "regressions"


@dataclass(frozen=True)
class Job:
    """What all runs of a session have in common."""

    engine: Engine
    scratch: Path
    time_scale: float


def one(job: Job, plan: Plan) -> Verdict:
    """Carry out one plan; its directory is kept only if something failed."""
    directory = job.scratch / str(plan.seed)
    directory.mkdir(parents=True)
    chaos = chaos_of(plan, directory, job.engine, job.time_scale)
    try:
        verdict = chaos.run()
    finally:
        chaos.close()
    if not verdict.failures:
        shutil.rmtree(directory, ignore_errors=True)
    return verdict


def keep(verdict: Verdict) -> None:
    """Write the file that is replayed for ever."""
    REGRESSIONS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"plan": verdict.plan.document(), "found": verdict.failures}, indent=1)
    kind = "fleet-" if verdict.plan.beside else ""
    (REGRESSIONS / f"{kind}{verdict.plan.seed}.json").write_text(text + "\n", encoding="utf-8")


def carry_out(job: Job, plans: Iterable[Plan], workers: int, out: Path) -> int:
    """Run all plans, print a line for each, and write the report after each."""
    verdicts: list[Verdict] = []
    broken: dict[int, str] = {}
    totals = report.write(out, verdicts, broken)
    with ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(one, job, plan): plan for plan in plans}
        for done in as_completed(waiting):
            plan = waiting[done]
            try:
                verdict = done.result()
            except Exception:  # noqa: BLE001 - one run's trouble must not end the others
                broken[plan.seed] = traceback.format_exc()
                print(f"seed {plan.seed}: not finished\n{broken[plan.seed]}", flush=True)
            else:
                verdicts.append(verdict)
                print(verdict.line(), flush=True)
                if verdict.failures:
                    keep(verdict)
                    print(f"  kept in {job.scratch / str(plan.seed)}", flush=True)
            totals = report.write(out, verdicts, broken)
    print(f"\n{report.headline(totals)}\nReport: {out / 'report.md'}")
    if totals["failed_seeds"]:
        return 1
    if totals["struck"] < LEAST_STRUCK * totals["runs"]:
        print("Too few kills found their victim: these runs prove little.")
        return 3
    return 3 if broken else 0


def main() -> int:
    """Read the environment and run."""
    given = os.environ.get
    runs, first = int(given("N") or 40), int(given("SEED") or 1)
    profile, every = given("PROFILE") or "hostile", int(given("FULL_EVERY") or 25)
    scratch = Path(tempfile.mkdtemp(prefix="chaos-"))
    job = Job(ensured_engine(), scratch, float(given("TIME_SCALE") or 60))
    seeds = range(first, first + runs)
    kind = given("KIND") or ""
    if kind not in ("", "fleet"):
        print(f"KIND is {kind!r}, and can be `fleet` or nothing. Nothing was run.")
        return 2
    plans = [
        draw_fleet(seed, profile=profile)
        if kind
        else draw(seed, profile=profile, full=every > 0 and seed % every == 0)
        for seed in seeds
    ]
    out = Path(given("OUT") or ROOT / "build" / "chaos")
    print(
        f"Chaos: seeds {first} to {first + runs - 1}, profile {profile}, in {scratch}", flush=True
    )
    return carry_out(job, plans, int(given("WORKERS") or 2), out)


if __name__ == "__main__":
    raise SystemExit(main())
