"""What the guard makes of an engine's answers and streams."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clore_inference.serving.guard import StreamRewriter, rewrite_answer, rewrite_error

FIELDS = ("reasoning", "reasoning_content")


def expected(line: bytes) -> Any:
    """The plain meaning: parse every line, give each delta both fields."""
    if not line.startswith(b"data:"):
        return line
    try:
        event = json.loads(line[5:])
    except ValueError:
        return line
    for choice in event.get("choices", ()):
        delta = choice["delta"]
        there = [name for name in FIELDS if name in delta]
        if len(there) == 1:
            delta.update(dict.fromkeys(FIELDS, delta[there[0]]))
    return event


def meaning(line: bytes) -> Any:
    if not line.startswith(b"data:"):
        return line
    try:
        return json.loads(line[5:])
    except ValueError:
        return line


def feed(chunks: list[bytes]) -> bytes:
    rewriter = StreamRewriter()
    return b"".join([rewriter.feed(chunk) for chunk in chunks]) + rewriter.finish()


TEXT = st.text(max_size=6) | st.sampled_from(
    ['"reasoning":"x"', '"delta":{"reasoning":"y"}', "\\", '\\"', "reasoning", "é\n\n", "data: {", "\u2028", "💡"]
)  # fmt: skip
TOOL = st.fixed_dictionaries({"function": st.fixed_dictionaries({"arguments": TEXT})})
VALUES = {
    "role": st.sampled_from(["assistant", None]),
    "content": TEXT | st.none(),
    "reasoning": TEXT | st.none(),
    "reasoning_content": TEXT | st.none(),
    "tool_calls": st.lists(TOOL, max_size=1) | st.none(),
}


@st.composite
def events(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["delta"] * 6 + ["usage", "done", "comment", "error", "broken"]))
    if kind == "done":
        return b"data: [DONE]\n\n"
    if kind == "comment":
        return b': "reasoning": ping\n\n'
    if kind == "broken":
        return b'data: {"reasoning":"x"\n\n'
    if kind == "error":
        return b'data: {"error":{"message":"\\"reasoning\\""}}\n\n'
    if kind == "usage":
        return b'data: {"choices":[],"usage":{"reasoning_tokens":3,"reasoning":"x"}}\n\n'
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True))
    delta = {name: draw(VALUES[name]) for name in names}
    event = {"id": draw(TEXT), "choices": [{"index": 0, "delta": delta, "logprobs": None}]}
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    text = json.dumps(event, separators=separators, ensure_ascii=draw(st.booleans()))
    ending = draw(st.sampled_from([b"\n\n", b"\n\n", b"\r\n\r\n"]))
    return b"data: " + text.encode("utf-8", "surrogatepass") + ending


STREAMS = st.lists(events(), max_size=4).map(b"".join)
CUTS = st.lists(st.floats(0, 1), max_size=5)


def check_stream(stream: bytes, cuts: list[float]) -> None:
    edges = [0, *sorted(int(cut * len(stream)) for cut in cuts), len(stream)]
    sent = feed([stream[start:end] for start, end in pairwise(edges)])
    before, after = stream.split(b"\n"), sent.split(b"\n")
    assert [expected(line) for line in before] == [meaning(line) for line in after]


@settings(max_examples=120, deadline=None)
@given(stream=STREAMS, cuts=CUTS)
def test_a_stream_means_the_same_plus_the_other_field_however_it_is_cut(
    stream: bytes, cuts: list[float]
) -> None:
    check_stream(stream, cuts)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(stream=STREAMS, cuts=CUTS)
def test_ten_thousand_streams_keep_their_meaning(stream: bytes, cuts: list[float]) -> None:
    check_stream(stream, cuts)


def delta(**fields: Any) -> bytes:
    event = {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def test_a_chunk_without_reasoning_is_passed_as_it_is() -> None:
    chunk = delta(content="hello")
    assert StreamRewriter().feed(chunk) is chunk, "the common case must not cost a copy"


@pytest.mark.parametrize("name", FIELDS)
def test_either_spelling_brings_the_other(name: str) -> None:
    sent = StreamRewriter().feed(delta(role="assistant", content="", **{name: 'a"b'}))
    fields = json.loads(sent[5:])["choices"][0]["delta"]
    assert [fields[field] for field in FIELDS] == ['a"b', 'a"b']


def test_no_more_than_an_unfinished_line_is_held() -> None:
    rewriter = StreamRewriter()
    chunk = delta(reasoning="x")
    assert rewriter.feed(chunk[:-3]) == b""
    assert rewriter.feed(chunk[-3:-1]).endswith(b"}\n"), "the line is finished: it goes out"
    assert rewriter.feed(chunk[-1:]) == b"\n"
    assert rewriter.finish() == b""


def message_of(body: bytes) -> Any:
    return json.loads(body)["choices"][0]["message"]


@pytest.mark.parametrize("name", FIELDS)
def test_a_whole_answer_carries_both_spellings(name: str) -> None:
    body = json.dumps({"choices": [{"message": {"content": "4", name: "2+2"}}]}).encode()
    assert [message_of(rewrite_answer(body))[field] for field in FIELDS] == ["2+2", "2+2"]


def test_an_answer_without_reasoning_carries_both_as_null() -> None:
    message = message_of(rewrite_answer(b'{"choices":[{"message":{"content":"4"}}]}'))
    assert message == {"content": "4", "reasoning": None, "reasoning_content": None}


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"choices":[null]}', b"\xff", b"{"])
def test_an_answer_of_another_shape_is_passed_as_it_is(body: bytes) -> None:
    assert rewrite_answer(body) == body


ERRORS = {
    "flat": (b'{"object":"error","message":"no","type":"Bad","param":null,"code":400}', "no"),
    "nested": (b'{"error":{"message":"no"}}', "no"),
    "detail": (b'{"detail":"no"}', "no"),
    "detail list": (b'{"detail":[{"loc":[]}]}', "The engine answered 400."),
    "error text": (b'{"error":"no"}', "no"),
    "page": (b"<html>", "The engine answered 400."),
    "bytes": (b"\xff\xfe", "The engine answered 400."),
}


@pytest.mark.parametrize(("body", "message"), ERRORS.values(), ids=ERRORS)
def test_every_shape_of_error_becomes_the_one_shape(body: bytes, message: str) -> None:
    assert json.loads(rewrite_error(400, body))["error"]["message"] == message
