"""Running the rules: over facts, over a spec, over flat values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clore_inference.errors import ConfigError
from clore_inference.rules.facts import Facts
from clore_inference.rules.registry import RULES
from clore_inference.spec import DeploymentSpec, Finding


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Return every finding of every rule, mandatory ones first, in the order of the registry."""
    found = [finding for rule in RULES for finding in rule.run(facts)]
    return tuple(sorted(found, key=lambda finding: finding.severity != "mandatory"))


def check(spec: DeploymentSpec) -> tuple[Finding, ...]:
    """Return the findings of a spec."""
    return judge(Facts.of_spec(spec))


def check_values(
    values: Mapping[str, object],
    *,
    plain_secrets: Sequence[str] = (),
    has_token: bool | None = None,
) -> tuple[Finding, ...]:
    """Return the findings of flat camelCase values, those of their reading included."""
    return judge(Facts.of_values(values, plain_secrets=plain_secrets, has_token=has_token))


def construct(
    values: Mapping[str, object],
    *,
    plain_secrets: Sequence[str] = (),
    has_token: bool | None = None,
) -> tuple[DeploymentSpec, tuple[Finding, ...]]:
    """Return a spec that breaks no mandatory rule, and its warnings.

    Raises ConfigError with the text of every mandatory finding, of reading and of rules together.
    `has_token` says whether a Hugging Face token is at hand; None if nobody looked.
    """
    facts = Facts.of_values(values, plain_secrets=plain_secrets, has_token=has_token)
    findings = judge(facts)
    refused = [finding.text for finding in findings if finding.severity == "mandatory"]
    if refused or facts.spec is None:
        raise ConfigError(refused)
    return facts.spec, findings
