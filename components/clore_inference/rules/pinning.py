"""Rules about versions and pins: what runs tomorrow is what was tried today."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from clore_inference import catalog
from clore_inference.rules.facts import Facts
from clore_inference.rules.rule import GUIDE, HUB, MODEL_CARD, Rule

COMMIT: Final = re.compile(r"[0-9a-f]{40}")
RELEASES: Final = "https://github.com/vllm-project/vllm/releases"
DIGESTS: Final = "https://docs.docker.com/reference/cli/docker/image/pull/#pull-an-image-by-digest-immutable-identifier"


def _version(facts: Facts) -> tuple[str, str] | None:
    """Engine and version, where both are known."""
    if facts.spec:
        return facts.spec.engine, facts.spec.version
    if facts.line and facts.line.version:
        return facts.line.engine, facts.line.version
    return None


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _floor(facts: Facts) -> Iterator[str]:
    known = _version(facts)
    if known is None:
        return
    row = catalog.engine(known[0])
    if _order(known[1]) < _order(row.floor):
        yield f"{row.id} {known[1]} is older than {row.floor}: {row.floor_reason}."
        return
    for one in catalog.versions(row.id):
        if one.id == known[1] and one.status == "refused":
            yield f"{row.id} {one.id} is refused: {one.note}."


def _recommended(facts: Facts) -> Iterator[str]:
    known = _version(facts)
    if known is None:
        return
    row = catalog.engine(known[0])
    if _order(row.floor) <= _order(known[1]) < _order(row.recommended_floor):
        yield f"{row.id} {known[1]} is older than the recommended floor {row.recommended_floor}."


def _known(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None:
        return
    usable = [one.id for one in catalog.versions(spec.engine) if one.status != "refused"]
    row = spec.engine_row
    plain = spec.version.partition("+")[0]
    if plain not in usable and _order(plain) >= _order(row.floor):
        yield (
            f"{spec.engine} {spec.version[:40]} is not known here: its flags were never read, so "
            f"nobody can say whether this line starts it. Known: {', '.join(usable)}."
        )


def _digest(facts: Facts) -> Iterator[str]:
    image = facts.spec.image_name if facts.spec else facts.line.image if facts.line else ""
    if image and "@sha256:" not in image:
        yield f"Image {image[:100]} is not pinned by digest: the next order may run another one."


def _revision(facts: Facts) -> Iterator[str]:
    if facts.spec and facts.spec.revision is None:
        yield (
            f"The revision of {facts.spec.repository_name} is not pinned: the next host fetches "
            "whatever the branch main holds then; weights from before 1 May 2026 are degraded."
        )


def _commit(facts: Facts) -> Iterator[str]:
    revision = facts.spec.revision if facts.spec else None
    if revision and not COMMIT.fullmatch(revision):
        yield f"revision is {revision[:50]!r}, not a full commit of 40 hex digits: it can move."


def _gated(facts: Facts) -> Iterator[str]:
    checkpoint = facts.spec.checkpoint if facts.spec else None
    if facts.spec and checkpoint and checkpoint.gated and facts.has_token is False:
        yield f"{facts.spec.repository_name} is gated and there is no token: its download answers 403."


RULES: Final = (
    Rule(
        "clore-engine-require-version", "mandatory", "the engine's release can serve the model",
        RELEASES, "Leave engineVersion out, or choose a release that was tried.", _floor,
        ("engine", "engineVersion"),
    ),
    Rule(
        "clore-engine-prefer-version", "warning", "the engine's release is a recommended one",
        RELEASES, "Leave engineVersion out: the recommended release is used.", _recommended,
        ("engine", "engineVersion"),
    ),
    Rule(
        "clore-engine-know-version", "mandatory", "the engine's release is a known one", RELEASES,
        "Leave engineVersion out, or set it to a known release.", _known,
        ("engine", "engineVersion"),
    ),
    Rule(
        "clore-image-pin-digest", "warning", "the image is pinned by digest", DIGESTS,
        "Set image to name:tag@sha256:…; `docker buildx imagetools inspect NAME:TAG` prints it.",
        _digest, ("image", "engine", "engineVersion"),
    ),
    Rule(
        "clore-model-pin-revision", "warning", "the checkpoint's revision is pinned", MODEL_CARD,
        "Set revision to the commit that the model's page lists under Files, History.", _revision,
        ("revision",),
    ),
    Rule(
        "clore-model-require-commit", "mandatory", "a revision is a full commit", HUB,
        "Write all 40 hex digits, or leave it out.", _commit, ("revision",),
    ),
    Rule(
        "clore-model-require-token", "warning", "a gated repository has a token", GUIDE,
        "Accept the terms on the model's page, then set HF_TOKEN or `pulumi config set --secret "
        "hfToken`.",
        _gated, ("release", "precision"), seen="preview",
    ),
)  # fmt: skip
