"""Every rule, once; construction, the policy pack and `plan` all run these."""

from __future__ import annotations

from typing import Final

from clore_inference.rules import (
    budget,
    capacity,
    configuration,
    docker,
    exposure,
    flags,
    pinning,
    spot,
    terms,
)
from clore_inference.rules.rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    *configuration.RULES,
    *terms.RULES,
    *budget.RULES,
    *spot.RULES,
    *capacity.RULES,
    *flags.RULES,
    *exposure.RULES,
    *pinning.RULES,
    *docker.RULES,
)


def rule(rule_id: str) -> Rule:
    """Return a rule by its id; KeyError if there is none."""
    return {one.id: one for one in RULES}[rule_id]
