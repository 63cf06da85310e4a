"""What a proof found, for people and for machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One claim about an endpoint; `name` and `failure` are stable for ever."""

    name: str
    passed: bool
    detail: str
    explanation: str = ""
    fix: str = ""
    failure: str = ""
    seconds: float = 0.0

    def lines(self) -> tuple[str, ...]:
        """The claim as text; a failure has three lines."""
        mark = "ok    " if self.passed else "FAILED"
        head = f"{mark}  {self.name:<17}  {self.detail}"
        if self.passed:
            return (head,)
        why = f"        {'why':<17}  {self.explanation}"
        return (head, why, f"        {'change':<17}  {self.fix}")


@dataclass(frozen=True)
class Report:
    """Every claim, in the order in which it was tried."""

    base_url: str
    model: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every claim holds; none tried proves nothing."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The claims that do not hold."""
        return tuple(check for check in self.checks if not check.passed)

    def lines(self) -> tuple[str, ...]:
        """The report as text."""
        counted = f"{len(self.checks) - len(self.failed)} of {len(self.checks)} checks passed"
        rows = [line for check in self.checks for line in check.lines()]
        return (*rows, f"{counted}: {self.base_url} as {self.model}")

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "base_url": self.base_url,
            "model": self.model,
            "passed": self.passed,
            "checks": [asdict(check) for check in self.checks],
        }
