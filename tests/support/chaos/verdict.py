"""What the ledger says of a run: orders leaked, strangers cancelled, limits broken, money wasted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from support.chaos.plan import Plan


def ours(ledger: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The orders that an API key made; a person's are not ours, whatever their account."""
    return [order for order in ledger["orders"] if order["made_by"] != "human"]


def active(ledger: Mapping[str, Any], key: str | None = None) -> list[int]:
    """The ids of ours that are billing; of one API key's alone, where it is named."""
    return [
        order["id"] for order in ours(ledger) if order["active"] and key in (None, order["made_by"])
    ]


def wasted(ledger: Mapping[str, Any], handed_over: Iterable[int]) -> tuple[float, int]:
    """USD and number of our orders that no successful `up` handed over."""
    kept = set(handed_over)
    lost = [order for order in ours(ledger) if order["id"] not in kept]
    return sum(order["cost_usd"] for order in lost), len(lost)


@dataclass
class Verdict:
    """One run, judged."""

    plan: Plan
    struck: bool = False
    """Whether the kill found its victim; a point may not be reached, a command may end before."""
    unclaimed: list[int] = field(default_factory=list)
    """L1: billing after an `up` that succeeded, and not the stack's."""
    hollow: list[int] = field(default_factory=list)
    """H: a stack's order after an `up` that succeeded that is not billing any more."""
    left: list[int] = field(default_factory=list)
    """L2: billing after a `destroy` that succeeded."""
    strangers: int = 0
    """F: orders of other keys or of people that were cancelled."""
    violations: int = 0
    """V: requests that broke the rate limit."""
    wasted_usd: float = 0.0
    """M: what the orders cost that no successful `up` handed over, at the market's fast clock."""
    wasted_orders: int = 0
    exposed: list[str] = field(default_factory=list)
    """Artefacts that hold a secret in clear."""
    stuck: str = ""
    """A command that did not succeed on a calm market either."""
    attempts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failures(self) -> list[str]:
        """What must never be; money is bounded, not forbidden."""
        found = {
            "L1": self.unclaimed, "H": self.hollow, "L2": self.left, "F": self.strangers,
            "V": self.violations, "G9": self.exposed, "stuck": self.stuck,
        }  # fmt: skip
        return [f"{name}={value}" for name, value in found.items() if value]

    def document(self) -> dict[str, Any]:
        """JSON of a report or a regression file."""
        return {**asdict(self), "plan": self.plan.document(), "failures": self.failures}

    def line(self) -> str:
        """One line of a report."""
        plan = self.plan
        how = plan.victim if self.struck else f"{plan.victim} (not struck)"
        counts = (
            f"L1={len(self.unclaimed)} L2={len(self.left)} F={self.strangers} V={self.violations} "
            f"M={self.wasted_usd:.2f} USD/{self.wasted_orders}"
        )
        where = "elsewhere " if plan.fresh else ""
        beside = f" (beside it {plan.beside})" if plan.beside else ""
        verdict = "; ".join(self.failures) or "clean"
        return (
            f"seed {plan.seed}: kill {how} at {plan.point}, then {where}{plan.then}{beside}: {counts}, "
            f"{self.seconds:.0f} s: {verdict}"
        )


def rate_bound(failed: int, runs: int) -> float:
    """Upper bound (95 %) of the true rate after `failed` of `runs`; exact (Clopper, Pearson)."""
    if runs == 0 or failed >= runs:
        return 1.0
    low, high = failed / runs, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(failed, runs, middle) > 0.05 else (low, middle)
    return high


def _at_most(failed: int, runs: int, rate: float) -> float:
    """The probability of at most `failed` failures in `runs`."""
    term = (1 - rate) ** runs
    total = term
    for k in range(failed):
        term *= (runs - k) / (k + 1) * rate / (1 - rate) if rate < 1 else 0
        total += term
    return total


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Totals of a report."""
    failed = [one for one in verdicts if one.failures]
    leaks = sum(bool(one.unclaimed or one.left) for one in verdicts)
    wastes = sorted(one.wasted_usd for one in verdicts)
    return {
        "runs": len(verdicts),
        "struck": sum(one.struck for one in verdicts),
        "L1": sum(len(one.unclaimed) for one in verdicts),
        "L2": sum(len(one.left) for one in verdicts),
        "H": sum(len(one.hollow) for one in verdicts),
        "F": sum(one.strangers for one in verdicts),
        "V": sum(one.violations for one in verdicts),
        "exposed": sum(len(one.exposed) for one in verdicts),
        "stuck": sum(bool(one.stuck) for one in verdicts),
        "M_usd": round(sum(wastes), 2),
        "M_worst_usd": round(wastes[-1], 2) if wastes else 0.0,
        "M_median_usd": round(wastes[len(wastes) // 2], 2) if wastes else 0.0,
        "wasted_orders": sum(one.wasted_orders for one in verdicts),
        "failed_seeds": [one.plan.seed for one in failed],
        "leaking_runs": leaks,
        "leak_rate_below_95": round(rate_bound(leaks, len(verdicts)), 5),
    }
