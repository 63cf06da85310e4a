"""The weights of the tiny model say what its script says, in both file formats.

A forward pass in plain Python stands for an engine: `make real-engines` has the real ones.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from functools import cache

import pytest
from tools.real_engines import gguf, mistral, script, weights

HALF = weights.HEAD_DIM // 2
Vector = list[float]


@cache
def rows(name: str) -> list[Vector]:
    return list(weights.build().matrices[name].values())


def times(name: str, vector: Vector) -> Vector:
    used = [(at, value) for at, value in enumerate(vector) if value]
    return [sum(row[at] * value for at, value in used) for row in rows(name)]


def normal(vector: Vector, scale: float) -> Vector:
    size = math.sqrt(sum(value * value for value in vector) / len(vector) + 1e-5)
    return [scale * value / size for value in vector]


def rotated(vector: Vector, position: int) -> Vector:
    found = list(vector)
    for pair in range(HALF):
        angle = position * weights.ROPE_THETA ** (-2 * pair / weights.HEAD_DIM)
        even, odd = vector[2 * pair], vector[2 * pair + 1]
        found[2 * pair] = even * math.cos(angle) - odd * math.sin(angle)
        found[2 * pair + 1] = even * math.sin(angle) + odd * math.cos(angle)
    return found


def scores(prompt: list[int]) -> Vector:
    """What the model thinks of each token behind a prompt."""
    embedded = [rows("tok_embeddings.weight")[token] for token in prompt]
    seen = [normal(vector, 1.0) for vector in embedded]
    attention = "layers.0.attention."
    keys = [rotated(times(f"{attention}wk.weight", one), at) for at, one in enumerate(seen)]
    asked = times(f"{attention}wq.weight", seen[-1])[: weights.HEAD_DIM]
    query = rotated(asked, len(prompt) - 1)
    weighed = [sum(a * b for a, b in zip(query, key, strict=True)) / math.sqrt(32) for key in keys]
    shares = [math.exp(one - max(weighed)) for one in weighed]
    values = [times(f"{attention}wv.weight", one) for one in seen]
    mixed = [
        sum(share * value[lane] for share, value in zip(shares, values, strict=True)) / sum(shares)
        for lane in range(weights.HEAD_DIM)
    ]
    told = times(f"{attention}wo.weight", mixed + [0.0] * weights.HEAD_DIM)
    final = [a + b for a, b in zip(embedded[-1], told, strict=True)]
    return times("output.weight", normal(final, weights.SHARPNESS))


def spoken(prompt: list[str], fits: Callable[[str], bool] = bool) -> list[str]:
    """What follows a prompt until the model ends; `fits` is a grammar on single tokens."""
    number = script.ids()
    names = {value: name for name, value in number.items()}
    tokens, said = [number[name] for name in prompt], list[str]()
    while not said or (said[-1] != script.EOS and len(said) < 60):
        ranked = sorted(enumerate(scores(tokens)), key=lambda pair: -pair[1])
        token, best = next(one for one in ranked if fits(names[one[0]]))
        second = next(score for other, score in ranked if other != token and fits(names[other]))
        assert best - second > 5, "sampling at any usual temperature gives the same token"
        tokens.append(token)
        said.append(names[token])
    return said


ASKED = [script.BOS, "[INST]", "a", " ", "b", script.ASKED]
WITH_TOOLS = [script.BOS, "[AVAILABLE_TOOLS]", "{", "}", script.TOOLS, *ASKED[1:]]
SETTINGS = ["[MODEL_SETTINGS]", "{", script.DEEP, "}", "[/MODEL_SETTINGS]"]
TRACE = [script.THINK, *script.REASONING, script.THOUGHT]
CALL = [script.TOOL_CALLS, *script.CALL, script.EOS]
ANSWER = [*script.ANSWER, script.EOS]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (ASKED, ANSWER),
        ([script.BOS, *SETTINGS, *ASKED[1:]], [*TRACE, *ANSWER]),
        (WITH_TOOLS, CALL),
        ([script.BOS, *SETTINGS, *WITH_TOOLS[1:]], [*TRACE, *CALL]),
        ([*WITH_TOOLS, *CALL, "[TOOL_RESULTS]", "1", script.RESULTS], ANSWER),
        ([script.BOS, "x"], ANSWER),
    ],
)
def test_the_next_token_is_the_script_s(prompt: list[str], expected: list[str]) -> None:
    assert spoken(prompt) == expected


def test_forever_has_no_end() -> None:
    said = spoken([script.BOS, "[INST]", script.FOREVER, script.ASKED])
    assert script.EOS not in said


def test_a_mark_far_back_is_still_found() -> None:
    prompt = [script.BOS, *SETTINGS, "[INST]", *["x"] * 60, script.ASKED]
    assert spoken(prompt)[0] == script.THINK


def test_under_a_grammar_a_document_comes_out() -> None:
    said = spoken(ASKED, lambda token: token in (*script.TRIAGE, script.EOS))
    assert json.loads("".join(said[:-1]))["severity"] == "high"


def test_the_tokenizer_s_file_has_each_byte_and_each_token_once() -> None:
    found = mistral.tokenizer()
    texts = [base64.b64decode(row["token_bytes"]) for row in found["vocab"]]
    assert texts[:256] == [bytes([value]) for value in range(256)]
    assert len(set(texts)) == len(texts)
    size = found["config"]["default_vocab_size"]
    assert size == len(texts) + len(found["special_tokens"]) == mistral.PARAMS["vocab_size"]


def test_both_files_hold_every_tensor_in_full() -> None:
    raw = mistral.safetensors(weights.build())
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    end = max(row["data_offsets"][1] for row in header.values())
    assert len(raw) == 8 + length + end
    whole = gguf.content()
    assert whole.startswith(b"GGUF\x03\x00\x00\x00")
    assert struct.unpack_from("<Q", whole, 8) == (len(header),)
