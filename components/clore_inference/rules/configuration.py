"""Rules about the configuration itself: keys, types, secrets, spellings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from clore_inference.rules.facts import Facts
from clore_inference.rules.rule import CLORE, HUB, ReadingRule, Rule
from clore_inference.spec import reading, spec_keys

PULUMI_SECRETS: Final = "https://www.pulumi.com/docs/iac/concepts/secrets/"
PULUMI_CONFIG: Final = "https://www.pulumi.com/docs/iac/concepts/config/"

TOKEN: Final = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|-----BEGIN [A-Z ]*PRIVATE"
)
"""Hugging Face tokens, API keys of the OpenAI form, private keys."""
REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
IMAGE: Final = re.compile(r"[a-z0-9][a-z0-9._/:-]*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?")
MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][\w./-]{0,99}")


def _nothing(_: Facts) -> Iterator[str]:
    yield from ()


def _reading(rule_id: str, title: str, fix: str, why: str = PULUMI_CONFIG) -> Rule:
    return ReadingRule(rule_id, "mandatory", title, why, fix, _nothing)


def _unknown(facts: Facts) -> Iterator[str]:
    for name in facts.unknown:
        yield f"{name} is not known before another resource exists, so nothing can be judged by it."


def _plain_secrets(facts: Facts) -> Iterator[str]:
    for name in facts.plain_secrets:
        yield f"{name} lies in the stack file in clear: whoever reads the repository has it."


def _tokens_in_text(facts: Facts) -> Iterator[str]:
    if facts.spec is None:
        return
    values = facts.spec.model_dump(mode="json")
    for key in spec_keys():
        if TOKEN.search(str(values[key.field])):
            yield f"{key.name} contains a token or private key, which would be kept in clear in state."


def _countries(facts: Facts) -> Iterator[str]:
    if facts.spec is None:
        return
    for name, codes in (
        ("countries", facts.spec.countries),
        ("excludedCountries", facts.spec.excluded_countries),
    ):
        for code in codes:
            if not re.fullmatch(r"[A-Z]{2}", code):
                yield f"{name} has {code[:20]!r}, which no offer can have: offers carry two capitals."
    for code in sorted(set(facts.spec.countries) & set(facts.spec.excluded_countries)):
        yield f"{code} is both wanted and excluded, so no offer from there is ever taken."


def _repository(facts: Facts) -> Iterator[str]:
    name = facts.spec.repository if facts.spec else None
    if name and not REPOSITORY.fullmatch(name):
        yield f"repository is {name[:60]!r}, which is not `owner/name` on Hugging Face."


def _image(facts: Facts) -> Iterator[str]:
    name = facts.spec.image if facts.spec else None
    if name and not IMAGE.fullmatch(name):
        yield f"image is {name[:60]!r}, which is not a container image reference."


def _model_name(facts: Facts) -> Iterator[str]:
    if facts.spec and not MODEL_NAME.fullmatch(facts.spec.served_model_name):
        yield (
            f"servedModelName is {facts.spec.served_model_name[:60]!r}; clients and command lines "
            "need letters, digits, `.`, `-`, `_`, `/`, and a letter or digit first."
        )


RULES: Final = (
    _reading(reading.UNKNOWN_KEY, "every key is a known one", "Correct or remove the key."),
    _reading(reading.MISSING_KEY, "keys without a default are set", "Set the key."),
    _reading(reading.WRONG_TYPE, "every value has its key's type", "Correct the value."),
    _reading(reading.NO_SUCH_CHOICE, "words are ones that exist", "Choose a listed word."),
    _reading(reading.OUT_OF_RANGE, "numbers are in range; a cap is above 0", "Correct the value."),
    _reading(reading.BAD_URL, "URLs are https, or loopback", "Use https."),
    _reading(
        reading.NOT_LOOPBACK, "only an emulator's clock runs fast", "Remove timeScale.", CLORE
    ),
    Rule(
        "clore-config-know-at-preview",
        "mandatory",
        "what rules judge is known at preview",
        PULUMI_CONFIG,
        "Give a plain value: only tokens and keys may come from other resources.",
        _unknown,
    ),
    Rule(
        "clore-secret-require-encryption", "mandatory", "secrets are encrypted in the stack file",
        PULUMI_SECRETS,
        "Run `pulumi config set --secret KEY` (it replaces the line), then revoke the old secret.",
        _plain_secrets,
    ),
    Rule(
        "clore-secret-forbid-in-text", "mandatory", "no plain value holds a secret",
        PULUMI_SECRETS,
        "Take it out, revoke it, and give it as hfToken or cloreApiKey with `--secret`.",
        _tokens_in_text,
    ),
    Rule(
        "clore-offer-spell-country", "mandatory", "countries are two-letter codes",
        CLORE, 'Write ISO codes, for example ["DE", "FI"], and each in one list only.',
        _countries, ("countries", "excludedCountries"),
    ),
    Rule(
        "clore-model-spell-repository", "mandatory", "a repository is owner/name",
        HUB, "Write it as on huggingface.co, or leave it out.", _repository, ("repository",),
    ),
    Rule(
        "clore-image-spell-reference", "mandatory", "an image is a container reference",
        CLORE, "Write registry/name:tag@sha256:…, or leave it out.", _image, ("image",),
    ),
    Rule(
        "clore-model-spell-name", "mandatory", "the served name is one plain word",
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        "Use mistral-medium-3.5, as the guide does.", _model_name, ("servedModelName",),
    ),
)  # fmt: skip
