"""One rule, one object: what it demands, why, and how to satisfy it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from clore_inference.rules.facts import Facts
from clore_inference.spec import Finding, Severity

GUIDE: Final = "https://docs.clore.ai/guides/language-models/mistral-medium-35"
MODEL_CARD: Final = "https://huggingface.co/mistralai/Mistral-Medium-3.5-128B"
VLLM: Final = "https://docs.vllm.ai/en/latest/cli/serve/"
VLLM_SECURITY: Final = "https://docs.vllm.ai/en/latest/usage/security.html"
SGLANG: Final = "https://docs.sglang.ai/advanced_features/server_arguments.html"
CLORE: Final = "https://docs.clore.ai"
HUB: Final = "https://huggingface.co/docs/huggingface_hub/guides/download"

Check = Callable[[Facts], Iterable[str]]
Seen = Literal["inputs", "preview"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A demand on a deployment; `id` is public API and never changes."""

    id: str
    severity: Severity
    title: str
    why: str
    """Public URL of the source."""
    fix: str
    check: Check
    """Yields a message for each way in which the facts break the rule."""
    keys: tuple[str, ...] = ()
    """Configuration keys that it is about; it is silent while one of them cannot be read."""
    seen: Seen = "inputs"
    """Whether a deployment's inputs can break it, or only what a preview has besides them: the line
    that was built, a token, a wallet, an order's end."""

    def run(self, facts: Facts) -> Iterator[Finding]:
        """Judge the facts."""
        if facts.unreadable & set(self.keys):
            return
        for message in self.check(facts):
            yield Finding(
                rule=self.id, severity=self.severity, message=message, fix=self.fix, keys=self.keys
            )


@dataclass(frozen=True, slots=True)
class ReadingRule(Rule):
    """A demand that reading the values already judged; its findings are passed on as they are."""

    def run(self, facts: Facts) -> Iterator[Finding]:
        """Return what the reading found under this rule's id."""
        yield from (finding for finding in facts.reading if finding.rule == self.id)
