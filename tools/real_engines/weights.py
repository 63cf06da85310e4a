"""The weights that make a one-layer transformer follow `script.py`, written down by hand.

Every token that says something next has a dimension of its own, the others share one; one dimension
is always on. The single head of attention looks, from `[/INST]` and `[/THINK]`, for the strongest
mark in the prompt, and from everywhere else at the first token, which says nothing. Positions do
not matter: the head uses only the slowest rotations. The feed-forward part is empty.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tools.real_engines import script

DIM: Final = 128
HEAD_DIM: Final = 32
HEADS: Final = 2
"""The second one is empty: one head per key-value head is a shape that few engines test."""
KV_HEADS: Final = 1
HIDDEN_DIM: Final = 64
ROPE_THETA: Final = 1e9
CONTEXT: Final = 262_144
"""As the real model; a token of the cache takes 128 bytes, so the guide's contexts fit anywhere."""

# Dimensions of the residual stream.
ALWAYS: Final = 0
OTHER: Final = 1
WANTS_REASONING: Final = 2
WANTS_CALL: Final = 3
WANTS_NO_END: Final = 4
FIRST_OWN: Final = 5

GAIN: Final = math.sqrt(DIM / 2)
"""What RMS normalization makes of a token's two ones: 8 each, a power of two on purpose."""
SHARPNESS: Final = 4.0
"""Of the last normalization: a step of 0.1 in the output weights is 3 to 6 logits."""
FOLLOWS: Final = 8.0
FLAGGED: Final = 24.0
MASKED: Final = 2.0
"""What is said where a grammar masks the first choice."""
BARE: Final = 6.0
"""What is said behind text that is no chat."""
LIKED_FROM: Final = 3.0
LIKED_STEP: Final = 0.25
DISLIKED: Final = -2.0
"""Spaces, control bytes and our words: never chosen where something better may stand."""

# Pairs of the head whose rotation is slow enough to be none: 1e9 ** (-26 / 32) radians a token.
ASKED_LANE, THOUGHT_LANE, IDLE_LANE = 30, 28, 26
SCORE: Final = 60.0
"""Difference of attention scores between a mark and the next weaker one, before the exponential."""


@dataclass
class Matrix:
    """A matrix of few entries: rows by columns."""

    rows: int
    columns: int
    entries: dict[tuple[int, int], float] = field(default_factory=dict)

    def put(self, row: int, column: int, value: float) -> None:
        """Set one entry."""
        self.entries[row, column] = value

    def values(self) -> Iterator[list[float]]:
        """Every row in order."""
        by_row: dict[int, dict[int, float]] = {}
        for (row, column), value in self.entries.items():
            by_row.setdefault(row, {})[column] = value
        for row in range(self.rows):
            line = [0.0] * self.columns
            for column, value in by_row.get(row, {}).items():
                line[column] = value
            yield line

    def float32(self) -> bytes:
        """Little-endian single precision."""
        return b"".join(struct.pack(f"<{self.columns}f", *line) for line in self.values())

    def bfloat16(self) -> bytes:
        """Little-endian bfloat16: the upper half of single precision."""
        single = self.float32()
        halves = bytearray(len(single) // 2)
        halves[0::2], halves[1::2] = single[2::4], single[3::4]
        return bytes(halves)


@dataclass(frozen=True)
class Weights:
    """All matrices, under the names of the vendor's checkpoint files."""

    matrices: Mapping[str, Matrix]
    vectors: Mapping[str, float]
    """Normalizations: one value for each of `DIM` entries."""


def build() -> Weights:
    """Return the weights of the script."""
    own = _own_dimensions()
    zero = {
        "layers.0.feed_forward.w1.weight": Matrix(HIDDEN_DIM, DIM),
        "layers.0.feed_forward.w2.weight": Matrix(DIM, HIDDEN_DIM),
        "layers.0.feed_forward.w3.weight": Matrix(HIDDEN_DIM, DIM),
    }
    matrices = {
        "tok_embeddings.weight": _embeddings(own),
        "layers.0.attention.wq.weight": _queries(own),
        "layers.0.attention.wk.weight": _keys(own),
        "layers.0.attention.wv.weight": _values(own),
        "layers.0.attention.wo.weight": _outputs(),
        "output.weight": _output(own),
        **zero,
    }
    vectors = {
        "layers.0.attention_norm.weight": 1.0,
        "layers.0.ffn_norm.weight": 1.0,
        "norm.weight": SHARPNESS,
    }
    return Weights(matrices, vectors)


def _own_dimensions() -> dict[int, int]:
    """Token to its own dimension: those that say something next, and those that are looked for."""
    number = script.ids()
    named = [before for before, _ in script.steps()]
    named += [script.BOS, script.ASKED, script.THOUGHT, script.TOOLS, script.DEEP, script.FOREVER]
    tokens = dict.fromkeys(number[name] for name in named)
    return {token: FIRST_OWN + at for at, token in enumerate(tokens)}


def _embeddings(own: Mapping[int, int]) -> Matrix:
    found = Matrix(len(script.vocabulary()), DIM)
    for token in script.vocabulary():
        found.put(token.id, ALWAYS, 1.0)
        found.put(token.id, own.get(token.id, OTHER), 1.0)
    return found


def _queries(own: Mapping[int, int]) -> Matrix:
    number, one = script.ids(), 1 / GAIN
    found = Matrix(HEADS * HEAD_DIM, DIM)
    found.put(IDLE_LANE, ALWAYS, one)
    for token, lane in ((script.ASKED, ASKED_LANE), (script.THOUGHT, THOUGHT_LANE)):
        found.put(lane, own[number[token]], one)
        found.put(IDLE_LANE, own[number[token]], -one)
    return found


def _keys(own: Mapping[int, int]) -> Matrix:
    number = script.ids()
    unit = SCORE * math.sqrt(HEAD_DIM) / GAIN
    found = Matrix(KV_HEADS * HEAD_DIM, DIM)
    for token, lanes in (
        (script.BOS, {ASKED_LANE: 1, THOUGHT_LANE: 1, IDLE_LANE: 1}),
        (script.TOOLS, {ASKED_LANE: 2, THOUGHT_LANE: 2}),
        (script.DEEP, {ASKED_LANE: 3}),
        (script.FOREVER, {ASKED_LANE: 4, THOUGHT_LANE: 3}),
    ):
        for lane, strength in lanes.items():
            found.put(lane, own[number[token]], strength * unit)
    return found


FLAGS: Final = {
    script.DEEP: WANTS_REASONING,
    script.TOOLS: WANTS_CALL,
    script.FOREVER: WANTS_NO_END,
}


def _values(own: Mapping[int, int]) -> Matrix:
    number = script.ids()
    found = Matrix(KV_HEADS * HEAD_DIM, DIM)
    for lane, token in enumerate(FLAGS):
        found.put(lane, own[number[token]], 1 / GAIN)
    return found


def _outputs() -> Matrix:
    found = Matrix(DIM, HEADS * HEAD_DIM)
    for lane, flag in enumerate(FLAGS.values()):
        found.put(flag, lane, 1.0)
    return found


def _output(own: Mapping[int, int]) -> Matrix:
    number = script.ids()
    found = Matrix(len(script.vocabulary()), DIM)
    for token in script.vocabulary():
        found.put(token.id, ALWAYS, _liking(token))
    for before, after in script.steps():
        found.put(number[after], own[number[before]], FOLLOWS)
    for router in (script.ASKED, script.THOUGHT):
        found.put(number[script.ANSWER[0]], own[number[router]], FOLLOWS)
        found.put(number[script.TRIAGE[0]], own[number[router]], MASKED)
    found.put(number[script.ANSWER[0]], OTHER, BARE)
    for word, flag in (
        (script.THINK, WANTS_REASONING),
        (script.TOOL_CALLS, WANTS_CALL),
        (script.ENDLESS[0], WANTS_NO_END),
    ):
        found.put(number[word], flag, FLAGGED)
    return found


def _liking(token: script.Token) -> float:
    text = token.name or token.text.decode("utf-8", "replace")
    if text in script.LIKED:
        return LIKED_FROM - LIKED_STEP * script.LIKED.index(text)
    plain = len(token.text) == 1 and b" " < token.text < b"\x7f"
    return 0.0 if plain else DISLIKED
