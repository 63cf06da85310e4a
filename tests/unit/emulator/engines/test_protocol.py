"""What the engines answer: fields, refusals, streams, keys, counters, faults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from clore_emulator.engines import protocol, vllm_app
from clore_emulator.engines.dialect import Dialect, LlamaCpp, Sglang, Vllm
from clore_emulator.engines.engine import Engine
from clore_emulator.engines.generation import Skills
from support.emulated_engine import DIALECTS, KEY, MODEL, ask, engine, events

CHAT = "/v1/chat/completions"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "search_orders",
            "description": "Search the orders database by user ID",
            "parameters": {
                "type": "object",
                "properties": {"user_id": {"type": "string"}},
                "required": ["user_id"],
            },
        },
    }
]
ORDERS = "Find all orders for user u_4821 in April 2026."
SCHEMA = {
    "type": "object",
    "properties": {"severity": {"enum": ["low", "high"]}, "summary": {"type": "string"}},
    "required": ["severity", "summary"],
    "additionalProperties": False,
}
STRICT = {"type": "json_schema", "json_schema": {"name": "t", "schema": SCHEMA, "strict": True}}

every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))


def client(one: Engine) -> TestClient:
    """vLLM's application, or the common routes for the other two."""
    if isinstance(one.dialect, Vllm):
        return TestClient(vllm_app.build(one))
    routes = [
        Route(CHAT, protocol.chat_route(one), methods=["POST"]),
        Route("/v1/completions", protocol.completion_route(one), methods=["POST"]),
        Route("/v1/models", protocol.models_route(one)),
    ]
    return TestClient(Starlette(routes=routes))


def said(one: Engine, request: Mapping[str, Any]) -> dict[str, Any]:
    """The message of a chat that must work."""
    answer = client(one).post(CHAT, json=request)
    assert answer.status_code == 200, answer.text
    message: dict[str, Any] = answer.json()["choices"][0]["message"]
    return message


def refused(one: Engine, request: Mapping[str, Any], status: int = 400) -> dict[str, Any]:
    answer = client(one).post(CHAT, json=request)
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


@every_dialect
def test_equal_requests_get_equal_answers(dialect: Dialect) -> None:
    one = engine(dialect)
    assert said(one, ask()) == said(one, ask())
    assert said(one, ask())["content"] != said(one, ask("Something else."))["content"]


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("0.11.2", {"reasoning_content"}),
        ("0.12.0", {"reasoning", "reasoning_content"}),
        ("0.15.1", {"reasoning", "reasoning_content"}),
        ("0.16.0", {"reasoning"}),
        ("0.33.0", {"reasoning"}),
    ],
)
def test_the_reasoning_field_follows_the_vllm_release(version: str, fields: set[str]) -> None:
    message = said(engine(Vllm(version)), ask(reasoning_effort="high"))
    assert {name for name in message if name.startswith("reasoning")} == fields
    assert all(message[name] for name in fields)


@pytest.mark.parametrize("dialect", [Sglang(), LlamaCpp()], ids=["sglang", "llamacpp"])
def test_sglang_and_llama_server_answer_reasoning_content(dialect: Dialect) -> None:
    message = said(engine(dialect), ask(reasoning_effort="high"))
    assert message["reasoning_content"]
    assert "reasoning" not in message


@every_dialect
@pytest.mark.parametrize(
    "unknown", [{"reasoning_mode": "deep"}, {"extra_body": {"reasoning_mode": "deep"}}]
)
def test_the_guides_reasoning_mode_is_silently_ignored(
    dialect: Dialect, unknown: dict[str, Any]
) -> None:
    message = said(engine(dialect), ask(**unknown))
    assert not message.get("reasoning")
    assert not message.get("reasoning_content")


def test_vllm_refuses_an_effort_of_medium_in_the_real_words() -> None:
    error = refused(engine(), ask(reasoning_effort="medium"))["error"]
    assert error["message"].endswith(
        "is not supported by Mistral models. Supported values are: ['none', 'high']"
    )
    assert (error["type"], error["code"]) == ("BadRequestError", 400)


def test_sglang_thinks_for_any_effort_but_none() -> None:
    assert said(engine(Sglang()), ask(reasoning_effort="medium"))["reasoning_content"]
    assert said(engine(Sglang()), ask(reasoning_effort="none"))["reasoning_content"] is None


@every_dialect
def test_without_the_reasoning_parser_the_thoughts_leak(dialect: Dialect) -> None:
    one = engine(dialect, skills=Skills(reasoning_parser=False))
    message = said(one, ask(reasoning_effort="high"))
    assert message["content"].startswith("[THINK]")
    assert "[/THINK]" in message["content"]


@every_dialect
def test_a_tool_is_called_with_arguments_from_the_question(dialect: Dialect) -> None:
    answer = client(engine(dialect)).post(CHAT, json=ask(ORDERS, tools=TOOLS)).json()
    choice = answer["choices"][0]
    call = choice["message"]["tool_calls"][0]["function"]
    assert choice["finish_reason"] == "tool_calls"
    assert (call["name"], json.loads(call["arguments"])) == ("search_orders", {"user_id": "u_4821"})


@every_dialect
def test_without_the_tool_parser_the_call_is_plain_text(dialect: Dialect) -> None:
    one = engine(dialect, skills=Skills(tool_parser=False))
    message = said(one, ask(ORDERS, tools=TOOLS))
    assert not message.get("tool_calls")
    assert message["content"] == 'search_orders{"user_id": "u_4821"}'


def test_with_a_hugging_face_tokenizer_vllm_refuses_instead() -> None:
    one = engine(skills=Skills(tool_parser=False), mistral_tokenizer=False)
    error = refused(one, ask(ORDERS, tools=TOOLS))["error"]
    assert "--enable-auto-tool-choice and --tool-call-parser to be set" in error["message"]


@every_dialect
def test_tools_are_left_alone_when_they_should_be(dialect: Dialect) -> None:
    one = engine(dialect)
    assert not said(one, ask(ORDERS, tools=TOOLS, tool_choice="none")).get("tool_calls")
    conversation = ask(ORDERS, tools=TOOLS)
    conversation["messages"].append({"role": "tool", "content": "[]", "tool_call_id": "a"})
    assert not said(one, conversation).get("tool_calls"), "a tool's answer is answered in words"


@every_dialect
def test_a_json_schema_is_held_to(dialect: Dialect) -> None:
    message = said(engine(dialect), ask(response_format=STRICT))
    jsonschema.validate(json.loads(message["content"]), SCHEMA)


def test_a_broken_schema_is_the_callers_fault() -> None:
    wrong = {"type": "json_schema", "json_schema": {"name": "t", "schema": {"type": "nonsense"}}}
    assert refused(engine(), ask(response_format=wrong))["error"]["code"] == 400


@every_dialect
def test_a_stream_says_the_same_as_the_whole_answer(dialect: Dialect) -> None:
    one = engine(dialect)
    request = ask(reasoning_effort="high")
    whole = said(one, request)
    text = client(one).post(CHAT, json={**request, "stream": True}).text
    deltas = [event["choices"][0]["delta"] for event in events(text)]
    field = "reasoning" if dialect.engine == "vllm" else "reasoning_content"
    assert "".join(delta.get("content") or "" for delta in deltas) == whole["content"]
    assert "".join(delta.get(field) or "" for delta in deltas) == whole[field]
    assert deltas[0]["role"] == "assistant"


def test_sglang_names_every_field_in_every_delta() -> None:
    text = client(engine(Sglang())).post(CHAT, json=ask(stream=True)).text
    assert '"reasoning_content":null' in text
    assert all("reasoning_content" in e["choices"][0]["delta"] for e in events(text))


@every_dialect
def test_usage_comes_last_in_a_stream_when_it_is_asked_for(dialect: Dialect) -> None:
    request = ask(stream=True, stream_options={"include_usage": True})
    found = events(client(engine(dialect)).post(CHAT, json=request).text)
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["completion_tokens"] > 0
    assert found[-2]["choices"][0]["finish_reason"] == "stop"


@every_dialect
def test_tool_calls_stream_with_their_index(dialect: Dialect) -> None:
    text = client(engine(dialect)).post(CHAT, json=ask(ORDERS, tools=TOOLS, stream=True)).text
    calls = [c for e in events(text) for c in e["choices"][0]["delta"].get("tool_calls") or []]
    assert [call["index"] for call in calls] == [0]


@every_dialect
def test_max_tokens_cuts_and_says_so(dialect: Dialect) -> None:
    answer = client(engine(dialect)).post(CHAT, json=ask(max_tokens=5)).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 5


def test_another_models_name_is_404_on_vllm_and_nothing_to_sglang() -> None:
    error = refused(engine(), {**ask(), "model": "gpt"}, 404)["error"]
    assert error["message"] == "The model `gpt` does not exist."
    assert error["type"] == "NotFoundError"
    one = engine(Sglang(), checks_model=False)
    assert client(one).post(CHAT, json={**ask(), "model": "gpt"}).json()["model"] == "gpt"


def test_errors_have_each_engines_own_shape() -> None:
    long = ask("word " * 50)
    small = Skills(max_context=16)
    vllm = refused(engine(skills=small), long)["error"]
    assert "This model's maximum context length is 16 tokens" in vllm["message"]
    sglang = refused(engine(Sglang(), skills=small), long)
    assert (sglang["object"], sglang["code"]) == ("error", 400)
    assert "longer than the model's context length (16 tokens)" in sglang["message"]
    llama = refused(engine(LlamaCpp(), skills=small), long)["error"]
    assert llama["type"] == "exceed_context_size_error"


@pytest.mark.parametrize(
    "request_body",
    [
        {"model": MODEL},
        {"model": MODEL, "messages": "hi"},
        ask(temperature=-1),
        ask(tool_choice="required"),
        ask(stream_options={"include_usage": True}),
        ask(chat_template_kwargs={"a": 1}),
    ],
)
def test_vllm_refuses_what_makes_no_sense(request_body: dict[str, Any]) -> None:
    assert refused(engine(), request_body)["error"]["code"] == 400


def test_a_body_that_is_no_json_is_refused() -> None:
    answer = client(engine()).post(CHAT, content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert client(engine()).post(CHAT, content=b"{}").status_code == 400, "no content type"


def test_vllms_key_guards_prefixes_only() -> None:
    door = client(engine(keys=(KEY,)))
    body = {"prompt": "hi", "max_tokens": 3}
    assert door.get("/v1/models").json() == {"error": "Unauthorized"}
    assert door.get("/v1/models", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert door.get("/v1/models", headers={"Authorization": KEY}).status_code == 401
    assert door.get("/v1/models", headers={"x-api-key": KEY}).status_code == 401
    for path in ("/health", "/ping", "/version", "/load", "/metrics", "/docs", "/openapi.json"):
        assert door.get(path).status_code == 200, f"{path} is open, as in the release"
    assert door.post("/invocations", json=body).status_code == 200, "generates without a key"
    assert door.post("/tokenize", json={"prompt": "hello"}).json()["count"] > 1


def test_the_key_reaches_further_in_0_33() -> None:
    old = client(engine(Vllm("0.32.0"), keys=(KEY,)))
    old_engine = engine(Vllm("0.32.0"), keys=(KEY,))
    old_engine.version = "0.32.0"
    assert TestClient(vllm_app.build(old_engine)).get("/v2/models").status_code == 404
    assert old.get("/v2/models").status_code == 401


def test_metrics_count_tokens_and_nothing_else_moves_them() -> None:
    one = engine()
    door = client(one)
    before = door.get("/metrics").text
    door.get("/v1/models")
    door.post(CHAT, json={**ask(), "model": "gpt"})
    assert door.get("/metrics").text == before, "a refusal generates nothing"
    usage = door.post(CHAT, json=ask()).json()["usage"]
    counted = f'vllm:generation_tokens_total{{engine="0",model_name="{MODEL}"}} '
    assert f"{counted}{float(usage['completion_tokens'])}" in door.get("/metrics").text


def fault(tmp_path: Path, document: list[Any]) -> Path:
    file = tmp_path / "faults.json"
    file.write_text(json.dumps(document))
    return file


def test_serves_other_model(tmp_path: Path) -> None:
    one = engine(faults=fault(tmp_path, ["serves_other_model"]))
    assert client(one).get("/v1/models").json()["data"][0]["id"] == "other-model"
    refused(one, ask(), 404)


def test_drops_reasoning(tmp_path: Path) -> None:
    one = engine(faults=fault(tmp_path, ["drops_reasoning"]))
    message = said(one, ask(reasoning_effort="high"))
    assert message["reasoning"] is None
    assert "[THINK]" not in message["content"]


def test_drops_tool_calls(tmp_path: Path) -> None:
    one = engine(faults=fault(tmp_path, ["drops_tool_calls"]))
    message = said(one, ask(ORDERS, tools=TOOLS))
    assert "tool_calls" not in message
    assert "search_orders" not in message["content"]


def test_answers_400_to_every_chat_while_it_looks_healthy(tmp_path: Path) -> None:
    one = engine(faults=fault(tmp_path, ["answers_400_to_every_chat"]))
    assert "force_tool_names" in refused(one, ask())["error"]["message"]
    door = client(one)
    assert door.get("/health").status_code == 200
    assert door.post("/v1/completions", json={"prompt": "hi"}).status_code == 200


def test_crashes_on_request(tmp_path: Path) -> None:
    ends: list[str] = []
    one = engine(faults=fault(tmp_path, ["crashes_on_request"]))
    one.end = ends.append
    assert refused(one, ask(), 500)["error"]["type"] == "InternalServerError"
    assert client(one).get("/health").status_code == 503, "the engine core is dead"
    assert len(ends) == 1


def test_ignores_key(tmp_path: Path) -> None:
    one = engine(keys=(KEY,), faults=fault(tmp_path, ["ignores_key"]))
    assert client(one).get("/v1/models").status_code == 200


async def closing(request: Any, call_next: Any) -> Any:
    """A middleware of one's own, as a coroutine function."""
    answer = await call_next(request)
    answer.headers["x-closed"] = "yes"
    return answer


class Outermost:
    """A middleware of one's own, as a class: it answers before vLLM's own key check."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/v1/models":
            await send({"type": "http.response.start", "status": 418, "headers": []})
            await send({"type": "http.response.body", "body": b"teapot"})
            return
        await self.app(scope, receive, send)


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The two middlewares above under an import path."""
    import sys  # noqa: PLC0415
    import types  # noqa: PLC0415

    module = types.ModuleType("doors_for_test")
    module.__dict__.update(closing=closing, Outermost=Outermost, nothing=3)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


def test_a_middleware_class_stands_outside_the_key(importable: str) -> None:
    app = vllm_app.build(engine(keys=(KEY,)), [f"{importable}.Outermost"])
    assert TestClient(app).get("/v1/models").status_code == 418


def test_a_coroutine_function_is_a_middleware_too(importable: str) -> None:
    app = vllm_app.build(engine(), [f"{importable}.closing"])
    assert TestClient(app).get("/health").headers["x-closed"] == "yes"


def test_a_wrong_middleware_fails_closed(importable: str) -> None:
    with pytest.raises(ValueError, match="Must be a function or a class"):
        vllm_app.build(engine(), [f"{importable}.nothing"])
    with pytest.raises(AttributeError):
        vllm_app.build(engine(), [f"{importable}.absent"])
