"""The report of many runs: JSON for programs, Markdown for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.chaos.verdict import Verdict, summary


def write(directory: Path, verdicts: Sequence[Verdict], broken: dict[int, str]) -> dict[str, Any]:
    """Write report.json and report.md; returns the totals."""
    directory.mkdir(parents=True, exist_ok=True)
    ordered = sorted(verdicts, key=lambda one: one.plan.seed)
    totals = {**summary(ordered), "broken": {str(seed): text for seed, text in broken.items()}}
    document = {"summary": totals, "runs": [one.document() for one in ordered]}
    (directory / "report.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    (directory / "report.md").write_text(markdown(ordered, totals), encoding="utf-8")
    return totals


def headline(totals: dict[str, Any]) -> str:
    """The totals in two lines."""
    bound = 100 * totals["leak_rate_below_95"]
    return (
        f"{totals['runs']} runs, {totals['struck']} of them struck: L1={totals['L1']} "
        f"L2={totals['L2']} H={totals['H']} F={totals['F']} V={totals['V']} "
        f"M={totals['M_usd']:.2f} USD in {totals['wasted_orders']} orders "
        f"(median {totals['M_median_usd']:.2f}, worst {totals['M_worst_usd']:.2f} USD a run).\n"
        f"{totals['leaking_runs']} leaking runs in {totals['runs']}: the true rate is below "
        f"{bound:.2f} % (95 % confidence). Failed seeds: {totals['failed_seeds'] or 'none'}; "
        f"runs that the harness could not finish: {sorted(totals['broken']) or 'none'}."
    )


def markdown(verdicts: Sequence[Verdict], totals: dict[str, Any]) -> str:
    seeds = [one.plan.seed for one in verdicts]
    first, last = (min(seeds), max(seeds)) if seeds else (0, 0)
    lines = ["# Chaos report", "", f"Seeds {first} to {last}. {headline(totals)}", ""]
    lines += ["| killed | command | then | runs | struck | failed |", "|---|---|---|---|---|---|"]
    groups: dict[tuple[str, str, str], Counter[str]] = {}
    for one in verdicts:
        plan = one.plan
        counted = groups.setdefault((plan.victim, plan.during, plan.then), Counter())
        counted["runs"] += 1
        counted["struck"] += one.struck
        counted["failed"] += bool(one.failures)
    for (victim, during, then), counted in sorted(groups.items()):
        cells = [victim, during, then, *(str(counted[key]) for key in ("runs", "struck", "failed"))]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Runs", "", *(f"* {one.line()}" for one in verdicts), ""]
    return "\n".join(lines)
