"""Builders of specs and of their flat values, with the few words every deployment needs."""

from __future__ import annotations

from clore_inference.spec import DeploymentSpec

LEAST: dict[str, object] = {"licenseUse": "evaluation", "maxUsdPerDay": "45"}
"""The two keys without a default."""


def values(**changes: object) -> dict[str, object]:
    """Flat camelCase values that break no mandatory rule, with these changes."""
    return {**LEAST, **changes}


def a_spec(**changes: object) -> DeploymentSpec:
    """The spec of `values`."""
    return DeploymentSpec.parse(values(**changes))
