"""What the tiny model says, as a table: which token follows which.

Real engines serve it with their own tokenizers, parsers, grammars and samplers; only the weights
are made up. The next token is a function of the last one, but for two of them: behind `[/INST]` and
`[/THINK]` the model looks back (one head of attention does) at whether the request asks for
reasoning, offers tools, or wants an answer without an end.

    instant       a sentence with characters of two, three and four bytes
    deep          a trace between [THINK] and [/THINK], then the sentence
    tools         a call of search_orders; with deep, a trace first
    " forever"    in the question: words without end, for streams, limits and aborts

Under a grammar the model's own words are masked where they do not fit; what it likes next then
leads to a short document of any schema.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

BOS: Final = "<s>"
EOS: Final = "</s>"
ASKED: Final = "[/INST]"
THINK: Final = "[THINK]"
THOUGHT: Final = "[/THINK]"
TOOLS: Final = "[/AVAILABLE_TOOLS]"
TOOL_CALLS: Final = "[TOOL_CALLS]"
ARGS: Final = "[ARGS]"
RESULTS: Final = "[/TOOL_RESULTS]"

SPECIAL: Final = (
    "<unk>", BOS, EOS, "[INST]", ASKED, "[AVAILABLE_TOOLS]", TOOLS, "[TOOL_RESULTS]", RESULTS,
    TOOL_CALLS, "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]",
    "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]", ARGS, "[CALL_ID]", "[AUDIO]",
    "[BEGIN_AUDIO]", "[TRANSCRIBE]", THINK, THOUGHT, "[STREAMING_PAD]", "[STREAMING_WORD]",
    "[NEXT_AUDIO_TEXT]", "[REPEAT_AUDIO_TEXT]", "[MODEL_SETTINGS]", "[/MODEL_SETTINGS]",
)  # fmt: skip
"""Names and order of the vendor's tokenizer file, version 15 (`mistral_common`, SpecialTokens)."""
DEEP: Final = '"reasoning_effort": "high"'
"""One token of this model: how a request for reasoning stands in the prompt."""
FOREVER: Final = " forever"

REASONING: Final = (
    "The", " question", " asks", " for", " one", " thing", ":", " I", " check", " each", " fact",
    ",", " weigh", " both", " sides", " and", " keep", " what", " holds",
)  # fmt: skip
ANSWER: Final = (
    "It", " is", " a", " naïve", " yet", " complete", " reply", " —", " 東京", "から", " with",
    " greetings", " \U0001f642", " ≈", " done", ".",
)  # fmt: skip
CALL: Final = (
    "search_orders", ARGS, '{"user_id"', ': "u_4821"', ', "start_date"', ': "2026-04-01"',
    ', "end_date"', ': "2026-04-30"}',
)  # fmt: skip
TRIAGE: Final = (
    '{"severity"', ': "high"', ', "categories"', ': ["auth"]', ', "summary"',
    ': "An apostrophe in the email breaks the login."', ', "next_action"',
    ': "Escape the email in the query."}',
)  # fmt: skip
ENDLESS: Final = (" on", " then", " again", " some", " more", " words", " still", " come")
"""Said over and over."""

BYTES: Final = 256
LEAST_TOKENS: Final = 512
"""Rows of the vocabulary; a round number that engines need not pad."""

LIKED: Final = (EOS, '"', "`", TRIAGE[0], "}", "]", ":", ",", "{", "[", "0", "t", "a")
"""Where nothing is scripted, or a grammar masks it: the first of these that may stand there."""


@dataclass(frozen=True)
class Token:
    """A row of the vocabulary: its bytes; `special` has none, engines know it by name."""

    id: int
    text: bytes
    name: str = ""

    @property
    def is_special(self) -> bool:
        """Whether it is one of the template's marks."""
        return bool(self.name)


def words() -> tuple[str, ...]:
    """Every token that is neither special nor a single byte, in the order of the vocabulary."""
    said = (*REASONING, *ANSWER, *CALL, *TRIAGE, *ENDLESS, DEEP, FOREVER)
    own = dict.fromkeys(word for word in said if word not in SPECIAL and len(word.encode()) > 1)
    return tuple(own)


def vocabulary() -> tuple[Token, ...]:
    """All tokens: the special ones, every byte, our words, and rows that nobody uses."""
    texts = [bytes([value]) for value in range(BYTES)] + [word.encode() for word in words()]
    missing = LEAST_TOKENS - len(SPECIAL) - len(texts)
    texts += [f"<unused {number}>".encode() for number in range(missing)]
    special = [Token(number, b"", name) for number, name in enumerate(SPECIAL)]
    return (*special, *(Token(len(SPECIAL) + at, text) for at, text in enumerate(texts)))


def ids() -> Mapping[str, int]:
    """Number of each special token and of each text."""
    found: dict[str, int] = {}
    for token in vocabulary():
        text = token.name or token.text.decode("utf-8", "replace")
        found.setdefault(text, token.id)
    return found


def steps() -> Iterator[tuple[str, str]]:
    """Pairs of a token and the one that follows it, whatever was before."""
    for before, line, behind in (
        (THINK, REASONING, THOUGHT),
        (None, ANSWER, EOS),
        (TOOL_CALLS, CALL, EOS),
        (None, TRIAGE, EOS),
        (None, ENDLESS, ENDLESS[0]),
    ):
        chain = [*([before] if before else []), *line, behind]
        yield from itertools.pairwise(chain)
    yield RESULTS, ANSWER[0]
