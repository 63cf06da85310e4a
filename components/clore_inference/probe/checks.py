"""One function, one claim: it returns what it saw, or raises CheckFailed with the known fault."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from clore_inference.probe import fault, question
from clore_inference.probe.cheap import model_ids
from clore_inference.probe.exchange import Answer, Exchange
from clore_inference.probe.fault import CheckFailed
from clore_inference.probe.schema import violation
from clore_inference.secret import Secret

CLOSED_ROUTES: Final = (
    ("POST", "/invocations"),
    ("POST", "/tokenize"),
    ("POST", "/generate"),
    ("POST", "/v1/responses"),
    ("GET", "/metrics"),
    ("GET", "/version"),
    ("GET", "/load"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/server_info"),
)
"""Routes that vLLM 0.33, SGLang 0.5.23 or llama-server leave open beside the API."""
THINK_MARKS: Final = ("[THINK]", "[/THINK]", "<think>", "</think>")
TOOL_MARK: Final = "[TOOL_CALLS]"


def model_id(exchange: Exchange) -> str:
    """The list of models, read with the key, has the expected one."""
    answer = exchange.get("/v1/models", key=exchange.target.key)
    _refuse_key(answer)
    served = model_ids(answer)
    if answer.status != 200:
        raise CheckFailed(fault.NO_ANSWER, f"/v1/models answered {_said(answer)}")
    if exchange.target.model not in served:
        raise CheckFailed(fault.WRONG_MODEL, _names(exchange, ", ".join(served) or "no model"))
    return f"serves {exchange.target.model}"


def chat_instant(exchange: Exchange) -> str:
    """A chat in instant mode is answered, by the expected model, without reasoning."""
    answer = exchange.chat(**question.instant())
    message = _message(exchange, answer)
    served = str(answer.json.get("model"))
    if served != exchange.target.model:
        raise CheckFailed(fault.WRONG_MODEL, _names(exchange, served))
    content = _content(message)
    if _reasoning(message):
        raise CheckFailed(fault.INSTANT_REASONS, "an instant answer carries reasoning")
    return f"answered {_short(content)}"


def chat_deep(exchange: Exchange) -> str:
    """A chat in deep mode carries its reasoning, in both fields, and not in the answer."""
    answer = exchange.chat(**question.deep())
    message = _message(exchange, answer)
    reasoning = _reasoning(message)
    content = _text(message)
    _no_leak(content)
    if not reasoning.strip():
        raise CheckFailed(fault.REASONING_EMPTY, "a deep answer carries no reasoning")
    if message.get("reasoning") != message.get("reasoning_content"):
        there = "reasoning" if message.get("reasoning") else "reasoning_content"
        raise CheckFailed(fault.REASONING_ONE_FIELD, f"the reasoning stands only in {there!r}")
    if not content.strip() and answer.json["choices"][0].get("finish_reason") != "length":
        raise CheckFailed(fault.NO_CONTENT, "a deep answer has reasoning but no text")
    return f"{len(reasoning)} characters of reasoning, in both fields"


def streaming(exchange: Exchange) -> str:
    """A stream comes as events with pieces of text and ends with its mark."""
    answer = exchange.chat(**question.stream())
    if answer.status != 200:
        _message(exchange, answer)
    if not answer.content_type.startswith("text/event-stream"):
        seen = f"a stream came as {answer.content_type or 'nothing'!r}"
        raise CheckFailed(fault.NOT_A_STREAM, seen)
    events = [line[5:].strip() for line in answer.text.split("\n") if line.startswith("data:")]
    if not events or events[-1] != "[DONE]":
        raise CheckFailed(fault.NOT_A_STREAM, "the stream does not end with [DONE]")
    pieces = [piece for piece in map(_piece, events[:-1]) if piece]
    if not pieces:
        raise CheckFailed(fault.NO_CONTENT, f"{len(events)} events carry no text")
    _no_leak("".join(pieces))
    return f"{len(pieces)} pieces, ended with [DONE]"


def tool_call(exchange: Exchange) -> str:
    """A question for a tool comes back as a call with arguments that follow its schema."""
    message = _message(exchange, exchange.chat(**question.tool_call()))
    calls = message.get("tool_calls")
    content = _text(message)
    if not calls:
        as_text = TOOL_MARK in content or "search_orders" in content
        found = fault.TOOL_CALL_AS_TEXT if as_text else fault.NO_TOOL_CALL
        raise CheckFailed(found, f"no tool_calls; the text is {_short(content)}")
    try:
        name = str(calls[0]["function"]["name"])
        arguments = _parsed(calls[0]["function"]["arguments"])
    except (TypeError, KeyError, IndexError):
        raise CheckFailed(fault.BAD_TOOL_CALL, "tool_calls has another shape") from None
    broken = violation(arguments, question.SEARCH_PARAMETERS, "the argument object")
    if name != "search_orders" or broken:
        raise CheckFailed(fault.BAD_TOOL_CALL, broken or f"the call is to {name[:40]!r}")
    return f"called {name}({_short(arguments['user_id'])}, ...)"


def strict_json(exchange: Exchange) -> str:
    """An answer under a strict schema is JSON and follows it."""
    message = _message(exchange, exchange.chat(**question.strict_json()))
    content = _text(message)
    value = _parsed(content)
    if value is None:
        raise CheckFailed(fault.NOT_JSON, f"the answer is {_short(content)}")
    broken = violation(value, question.TRIAGE_SCHEMA)
    if broken:
        raise CheckFailed(fault.SCHEMA_BROKEN, broken)
    return f"severity {value['severity']}, {len(value)} fields as required"


def key_required(exchange: Exchange) -> str:
    """Without a key nothing generates."""
    return _refused(exchange, None, fault.OPEN_WITHOUT_KEY, "without a key")


def wrong_key_refused(exchange: Exchange) -> str:
    """With a key that was never given nothing generates."""
    key = Secret("wrong-" + secrets.token_urlsafe(24))
    return _refused(exchange, key, fault.ANY_KEY_OPENS, "with a wrong key")


def routes_closed(exchange: Exchange) -> str:
    """What an engine leaves open beside its API is closed."""
    for method, path in CLOSED_ROUTES:
        if method == "POST":
            answer = exchange.post(path, {"prompt": "x", "max_tokens": 1}, key=None)
        else:
            answer = exchange.get(path, key=None)
        if answer.status not in (401, 403, 404):
            raise CheckFailed(fault.ROUTE_OPEN, f"{method} {path} answered {answer.status}")
    return f"{len(CLOSED_ROUTES)} routes answer 401 or 404"


CHECKS: Final[Mapping[str, Callable[[Exchange], str]]] = {
    "model-id": model_id,
    "key-required": key_required,
    "wrong-key-refused": wrong_key_refused,
    "routes-closed": routes_closed,
    "chat-instant": chat_instant,
    "chat-deep": chat_deep,
    "streaming": streaming,
    "tool-call": tool_call,
    "strict-json": strict_json,
}
"""Stable names, in the order in which they are tried: what is cheap and grave comes first."""


def _message(exchange: Exchange, answer: Answer) -> Mapping[str, Any]:
    """Return the message of a chat's answer, or raise the fault that explains its absence."""
    _refuse_key(answer)
    if answer.status == 404:
        raise CheckFailed(fault.WRONG_MODEL, f"a chat answered {_said(answer)}")
    if answer.status == 400 and exchange.get("/health", key=None).status == 200:
        raise CheckFailed(fault.CHAT_REFUSED, f"/health is 200, a chat answered {_said(answer)}")
    try:
        message = answer.json["choices"][0]["message"] if answer.status == 200 else None
    except (TypeError, KeyError, IndexError):
        message = None
    if not isinstance(message, dict):
        raise CheckFailed(fault.CHAT_FAILED, f"a chat answered {_said(answer)}")
    return message


def _refuse_key(answer: Answer) -> None:
    if answer.status in (401, 403):
        raise CheckFailed(fault.KEY_REFUSED, f"with the key the answer is {_said(answer)}")


def _refused(exchange: Exchange, key: Secret | None, found: fault.Fault, how: str) -> str:
    payload = {"model": exchange.target.model, **question.instant(), "max_tokens": 1}
    answer = exchange.post("/v1/chat/completions", payload, key=key)
    if answer.status not in (401, 403):
        raise CheckFailed(found, f"{how} a chat answered {answer.status}")
    return f"{how} the answer is {answer.status}"


def _content(message: Mapping[str, Any]) -> str:
    content = _text(message)
    if not content.strip():
        raise CheckFailed(fault.NO_CONTENT, "the answer has no text")
    _no_leak(content)
    return content


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else ""


def _reasoning(message: Mapping[str, Any]) -> str:
    return str(message.get("reasoning") or message.get("reasoning_content") or "")


def _no_leak(content: str) -> None:
    leaked = [mark for mark in THINK_MARKS if mark in content]
    if leaked:
        raise CheckFailed(fault.REASONING_LEAKED, f"the text of the answer contains {leaked[0]}")


def _piece(event: str) -> str:
    parsed = _parsed(event)
    if isinstance(parsed, dict) and "error" in parsed:
        raise CheckFailed(fault.CHAT_FAILED, f"the stream carries an error: {_short(event)}")
    try:
        return str(parsed["choices"][0]["delta"].get("content") or "")
    except (TypeError, KeyError, IndexError, AttributeError):
        return ""


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def _names(exchange: Exchange, served: str) -> str:
    return f"it serves {served}, not {exchange.target.model}"


def _said(answer: Answer) -> str:
    return f"{answer.status} {answer.message!r}"


def _short(text: object) -> str:
    return repr(" ".join(str(text).split())[:60])
