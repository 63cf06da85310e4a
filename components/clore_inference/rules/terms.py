"""Rules about the license of the weights; what is not proven is refused.

Two licenses are named for this model: the guide's Mistral Research License and the published
Modified MIT. The stricter holds until the operator records which one applies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from clore_inference.catalog import License, catalog
from clore_inference.rules.facts import Facts
from clore_inference.rules.rule import MODEL_CARD, Rule

MRL: Final = "https://mistral.ai/licenses/MRL-0.1.md"
SHORTEST_REFERENCE: Final = 8
"""Characters; anything shorter names no contract and no statement."""
KEYS: Final = ("licenseUse", "licenseEvidence")


def _named(evidence: str) -> tuple[License | None, str]:
    """The license that an evidence names before its colon, and the reference behind it."""
    name, _, reference = evidence.partition(":")
    for license_row in catalog().license:
        if license_row.id == name.strip().lower():
            return license_row, reference.strip()
    return None, reference.strip()


def _needs_evidence(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec and spec.license_use == "commercial" and not spec.license_evidence:
        yield (
            "licenseUse is commercial, and licenseEvidence is empty. The Mistral Research License "
            "forbids commercial use; the Modified MIT License gives no rights above 20 million USD "
            "of monthly revenue: without evidence neither is known to allow it."
        )


def _evidence_holds(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None or not spec.license_evidence:
        return
    license_row, reference = _named(spec.license_evidence)
    if license_row is None:
        yield "licenseEvidence does not begin with the name of a license that is known here."
        return
    if spec.license_use not in license_row.permits:
        allowed = ", ".join(license_row.permits)
        yield f"The {license_row.name} permits {allowed}, not {spec.license_use}."
    if license_row.needs and len(reference) < SHORTEST_REFERENCE:
        yield (
            f"The {license_row.name} needs {license_row.needs}; licenseEvidence gives no reference "
            "to it behind the colon."
        )


def _revenue(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec and spec.release == "upstream" and not spec.license_evidence:
        yield (
            "The published weights are under a Modified MIT License that gives no rights, for any "
            "use, to a company with more than 20 million USD of consolidated monthly revenue."
        )


_NAMES: Final = ", ".join(f"`{row.id}: …`" for row in catalog().license)

RULES: Final = (
    Rule(
        "clore-license-require-evidence", "mandatory", "commercial use has a recorded license", MRL,
        "Set licenseEvidence to `mistral-commercial: <contract>` or `modified-mit: <statement of "
        "revenue>`, or licenseUse to research or evaluation if that is what it is.",
        _needs_evidence, KEYS,
    ),
    Rule(
        "clore-license-match-evidence", "mandatory", "the recorded license permits the use", MRL,
        f"Begin licenseEvidence with one of {_NAMES} and name the contract or statement.",
        _evidence_holds, KEYS,
    ),
    Rule(
        "clore-license-watch-revenue", "warning", "the revenue term was looked at", MODEL_CARD,
        "Record it: licenseEvidence `modified-mit: revenue below the limit, <who, when>`.",
        _revenue, ("release", *KEYS),
    ),
)  # fmt: skip
