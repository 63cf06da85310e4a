"""What must not run, before money is spent: one rule, one object, one stable id.

`construct(values)` gives a spec or raises with all findings; `check(spec)` and `check_values(values)`
only tell; `plan(spec)` puts findings beside fit, price and command line. The policy pack runs the
same `RULES`.
"""

from __future__ import annotations

from clore_inference.rules.check import check, check_values, construct, judge
from clore_inference.rules.facts import Facts
from clore_inference.rules.plan import Plan, plan
from clore_inference.rules.registry import RULES, rule
from clore_inference.rules.rule import ReadingRule, Rule
from clore_inference.spec import Finding

__all__ = [
    "RULES",
    "Facts",
    "Finding",
    "Plan",
    "ReadingRule",
    "Rule",
    "check",
    "check_values",
    "construct",
    "judge",
    "plan",
    "rule",
]
