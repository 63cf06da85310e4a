"""What the guard makes of a request's bytes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clore_inference.serving.guard import MAX_DEPTH, Refusal, rewrite_request

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
MESSAGES = [{"role": "user", "content": "Hello"}]


def chat(**fields: Any) -> Any:
    return json.loads(rewrite_request(CHAT, json.dumps({"messages": MESSAGES, **fields}).encode()))


def refusal(body: bytes, path: str = CHAT) -> Refusal:
    with pytest.raises(Refusal) as caught:
        rewrite_request(path, body, "mistral-medium-3.5")
    return caught.value


def test_instant_is_the_mode_of_a_request_that_names_none() -> None:
    assert chat() == {"messages": MESSAGES, "reasoning_effort": "none", "temperature": 0.15}


@pytest.mark.parametrize("place", ["top", "extra_body"])
def test_deep_becomes_high_effort_with_its_sampling(place: str) -> None:
    switch = {"reasoning_mode": "deep"}
    seen = chat(**switch) if place == "top" else chat(extra_body=switch)
    assert seen == {
        "messages": MESSAGES,
        "reasoning_effort": "high",
        "temperature": 0.7,
        "top_p": 0.95,
    }


def test_an_effort_is_understood_without_a_mode() -> None:
    assert chat(reasoning_effort="high")["temperature"] == 0.7


def test_zero_temperature_is_a_choice_and_null_is_none() -> None:
    assert chat(temperature=0.0)["temperature"] == 0.0
    assert chat(temperature=None, reasoning_mode=None)["temperature"] == 0.15


def test_extra_body_may_repeat_what_the_request_says() -> None:
    seen = chat(reasoning_mode="deep", extra_body={"reasoning_mode": "deep", "top_k": 5})
    assert seen["top_k"] == 5
    assert "extra_body" not in seen


def test_a_bare_completion_gets_sampling_and_no_effort() -> None:
    seen = json.loads(rewrite_request(TEXT, b'{"prompt":"x"}'))
    assert seen == {"prompt": "x", "temperature": 0.15}


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "mode against effort": {"reasoning_mode": "deep", "reasoning_effort": "none"},
    "mode in two places": {"reasoning_mode": "deep", "extra_body": {"reasoning_mode": "instant"}},
    "effort inside extra_body": {
        "reasoning_mode": "deep",
        "extra_body": {"reasoning_effort": "none"},
    },
    "one against true": {"n": 1, "extra_body": {"n": True}},
    "template switch": {"chat_template_kwargs": {"enable_thinking": True}},
    "reasoning object": {"reasoning": {"effort": "high"}},
}


@pytest.mark.parametrize("fields", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_is_refused_with_its_field(fields: dict[str, Any]) -> None:
    found = refusal(json.dumps({"messages": MESSAGES, **fields}).encode())
    error = json.loads(found.body)["error"]
    assert (found.status, error["code"]) == (400, "contradiction")
    assert error["param"], "a client shows which field to change"


UNUSABLE: dict[str, bytes] = {
    "unknown mode": b'{"reasoning_mode":"slow"}',
    "mode of another type": b'{"reasoning_mode":true}',
    "mode as a list": b'{"reasoning_mode":["deep"]}',
    "unknown effort": b'{"reasoning_effort":"medium"}',
    "extra_body as text": b'{"extra_body":"x"}',
    "extra_body in extra_body": b'{"extra_body":{"extra_body":{}}}',
    "key twice": b'{"model":"a","model":"b"}',
    "key twice inside": b'{"a":[{"b":1,"b":1}]}',
    "key twice by escape": b'{"a":1,"\\u0061":2}',
    "not a number": b'{"temperature":NaN}',
    "infinity": b'{"temperature":-Infinity}',
    "overflow": b'{"temperature":1e999}',
    "giant integer": b'{"seed":' + b"9" * 30 + b"}",
    "huge integer": b'{"seed":' + b"9" * 5000 + b"}",
    "a list": b"[]",
    "a text": b'"x"',
    "nothing": b"",
    "two values": b"{}{}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a":1}'.encode("utf-16"),
    "broken utf-8": b'{"a":"\xff"}',
    "half a surrogate": b'{"messages":"\\ud800"}',
    "deep": b'{"a":' * 70 + b"1" + b"}" * 70,
    "bottomless": b"[" * 200_000,
}


@pytest.mark.parametrize("body", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_body_is_refused(body: bytes) -> None:
    found = refusal(body)
    assert found.status == 400
    assert set(json.loads(found.body)["error"]) == {"message", "type", "param", "code"}


def test_depth_up_to_the_limit_is_let_through() -> None:
    inside = MAX_DEPTH - 1
    chat(x=json.loads("[" * inside + "]" * inside))
    with pytest.raises(Refusal):
        chat(x=json.loads("[" * (inside + 1) + "]" * (inside + 1)))


def test_another_model_is_refused_with_both_names() -> None:
    found = refusal(b'{"model":"gpt-5"}')
    assert found.status == 404
    assert b"gpt-5" in found.body
    assert b"mistral-medium-3.5" in found.body


def test_a_mode_on_a_bare_completion_is_refused() -> None:
    assert refusal(b'{"prompt":"x","reasoning_mode":"deep"}', TEXT).status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(fields=st.dictionaries(st.sampled_from(["tools", "messages", "stop", "user", "seed"]), JSON))
def test_every_other_field_arrives_unchanged(fields: dict[str, Any]) -> None:
    seen = json.loads(rewrite_request(CHAT, json.dumps(fields).encode()))
    assert {name: seen[name] for name in fields} == fields


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_end_in_json_or_in_a_refusal(body: bytes) -> None:
    with suppress(Refusal):
        assert isinstance(json.loads(rewrite_request(CHAT, body)), dict)
