"""Each way in which an endpoint can be wrong has its name, its reason and its fix."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from clore_inference.probe.checks import CHECKS
from clore_inference.probe.conformance import conformance
from clore_inference.probe.report import Report
from clore_inference.probe.target import Target
from clore_inference.secret import Secret
from support.endpoint import KEY, MODEL, TRIAGE, Endpoint, call, serving


def prove(endpoint: Endpoint, *names: str, key: str = KEY) -> Report:
    chosen = {name: CHECKS[name] for name in names or CHECKS}
    with serving(endpoint):
        target = Target(base_url=endpoint.url, key=Secret(key), model=MODEL, timeout_s=5)
        return conformance(target, checks=chosen)


def test_g11_a_good_endpoint_passes_every_check() -> None:
    lines: list[str] = []
    with serving(Endpoint()) as endpoint:
        target = Target(base_url=endpoint.url + "/", key=Secret(KEY), model=MODEL)
        report = conformance(target, say=lines.append)
    assert report.passed, "\n".join(report.lines())
    assert [line.split()[1] for line in lines] == list(CHECKS), "each is told as it is done"
    assert report.lines()[-1].startswith("9 of 9 checks passed")


def flat_tool(content: str) -> dict[str, Any]:
    return {"content": content}


LEAK = "[THINK]hm[/THINK]Paris"
BROKEN: dict[str, tuple[str, str, Endpoint]] = {
    "another model": ("model-id", "wrong-model", Endpoint(served="other")),
    "another model answers": ("chat-instant", "wrong-model", Endpoint(served="other")),
    "another key": ("model-id", "key-refused", Endpoint(key="another")),
    "no key at all": ("key-required", "open-without-key", Endpoint(key=None)),
    "any key": ("wrong-key-refused", "any-key-opens", Endpoint(key=None)),
    "open route": ("routes-closed", "route-open", Endpoint(open_routes=("/invocations",))),
    "open metrics": ("routes-closed", "route-open", Endpoint(open_routes=("/metrics",))),
    "400 to every chat": (
        "chat-instant",
        "chat-refused",
        Endpoint(chat_status=400, chat_error="missing argument: 'force_tool_names'"),
    ),
    "500": ("chat-deep", "chat-failed", Endpoint(chat_status=500)),
    "unknown model": ("chat-instant", "wrong-model", Endpoint(chat_status=404)),
    "empty": ("chat-instant", "no-content", Endpoint(content=" ")),
    "instant with reasoning": (
        "chat-instant",
        "instant-reasons",
        Endpoint(instant_reasoning={"reasoning": "hm"}),
    ),
    "no parser": ("chat-deep", "reasoning-leaked", Endpoint(reasoning={}, content=LEAK)),
    "no reasoning": ("chat-deep", "reasoning-empty", Endpoint(reasoning={})),
    "one field": ("chat-deep", "reasoning-one-field", Endpoint(reasoning={"reasoning": "hm"})),
    "deep without text": ("chat-deep", "no-content", Endpoint(content="")),
    "no event stream": ("streaming", "not-a-stream", Endpoint(stream_type="application/json")),
    "no end": ("streaming", "not-a-stream", Endpoint(stream_end="")),
    "error in the stream": (
        "streaming",
        "chat-failed",
        Endpoint(stream_end='data: {"error": {"message": "x"}}\n\ndata: [DONE]\n\n'),
    ),
    "tool call as text": (
        "tool-call",
        "tool-call-as-text",
        Endpoint(tool=flat_tool('[TOOL_CALLS]search_orders{"user_id": "u_4821"}')),
    ),
    "no tool call": ("tool-call", "no-tool-call", Endpoint(tool=flat_tool("Which user?"))),
    "arguments missing": (
        "tool-call",
        "bad-tool-call",
        Endpoint(tool={"tool_calls": [call("search_orders", {})]}),
    ),
    "another tool": (
        "tool-call",
        "bad-tool-call",
        Endpoint(tool={"tool_calls": [call("rm", {"user_id": "u"})]}),
    ),
    "shapeless call": ("tool-call", "bad-tool-call", Endpoint(tool={"tool_calls": [1]})),
    "prose": ("strict-json", "not-json", Endpoint(triage="Severity: high")),
    "field missing": ("strict-json", "schema-broken", Endpoint(triage='{"severity":"high"}')),
    "field too many": (
        "strict-json",
        "schema-broken",
        Endpoint(triage=json.dumps({**TRIAGE, "x": 1})),
    ),
    "outside the enum": (
        "strict-json",
        "schema-broken",
        Endpoint(triage=json.dumps({**TRIAGE, "categories": ["auth", "moon"]})),
    ),
}


@pytest.mark.parametrize(("name", "failure", "endpoint"), BROKEN.values(), ids=BROKEN)
def test_a_fault_is_named_explained_and_can_be_mended(
    name: str, failure: str, endpoint: Endpoint
) -> None:
    [check] = prove(endpoint, name).failed
    assert (check.name, check.failure) == (name, failure), check.detail
    assert check.detail
    assert check.explanation
    assert check.fix


def test_the_reasoning_fault_names_the_flag() -> None:
    [check] = prove(Endpoint(reasoning={}), "chat-deep").failed
    assert "--reasoning-parser mistral" in check.fix


def test_g11_a_wrong_model_is_told_with_both_names() -> None:
    [check] = prove(Endpoint(served="other"), "model-id").failed
    assert "other" in check.detail
    assert MODEL in check.detail


def test_a_trace_that_fills_the_budget_is_a_trace() -> None:
    class Cut(Endpoint):
        def chat(self, payload: dict[str, Any]) -> dict[str, Any]:
            answer = super().chat(payload)
            answer["choices"][0]["finish_reason"] = "length"
            return answer

    assert prove(Cut(content=""), "chat-deep").passed


def test_nothing_that_listens_is_no_answer_to_every_check() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        report = conformance(Target(base_url=url, key=Secret(KEY), model=MODEL))
    assert {check.failure for check in report.checks} == {"no-answer"}
    assert report.checks[0].detail == "connection refused"


def test_after_the_deadline_nothing_more_is_asked() -> None:
    with serving(Endpoint()) as endpoint:
        target = Target(base_url=endpoint.url, key=Secret(KEY), model=MODEL)
        report = conformance(target, deadline_s=0)
        assert not endpoint.seen
    assert not report.passed
    assert "time for the proof is over" in report.checks[0].detail


def test_the_key_is_in_no_report() -> None:
    endpoint = Endpoint(key="another", chat_error=f"unknown key {KEY}", chat_status=400)
    for report in (prove(endpoint), prove(Endpoint(chat_error=KEY, chat_status=400))):
        text = json.dumps(report.as_dict()) + "\n".join(report.lines())
        assert KEY not in text


def test_control_characters_of_an_endpoint_reach_no_terminal() -> None:
    report = prove(Endpoint(served="\x1b[2Jevil"), "model-id")
    assert "\x1b" not in "".join(report.lines())


def test_an_empty_report_proves_nothing() -> None:
    assert not Report("http://x", MODEL, ()).passed


@pytest.mark.parametrize("body", ["[" * 100_000, "null", "5", '{"choices": 7}', '{"data": 7}'])
def test_hostile_answers_end_in_a_report(body: str) -> None:
    class Odd(Endpoint):
        def chat(self, payload: dict[str, Any]) -> Any:
            return json.loads(body) if len(body) < 100 else body

    assert not prove(Odd(), "chat-instant", "chat-deep", "tool-call").passed
