"""One answer, before an engine's wire format: reasoning, content, tool calls, token counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from clore_emulator.engines import language, schema

DEFAULT_MAX_TOKENS: Final = 16
"""Of `/v1/completions` in the OpenAI API; chats end on their own."""


@dataclass(frozen=True)
class Skills:
    """What the engine was started with."""

    reasoning_parser: bool = True
    tool_parser: bool = True
    max_context: int = 262144


@dataclass(frozen=True)
class ToolCall:
    """One call the model wants."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Generation:
    """What the model said. `reasoning` is None where none was parsed out of the text."""

    content: str
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cut: bool = False

    @property
    def finish_reason(self) -> str:
        """`tool_calls`, `length` or `stop`."""
        if self.cut:
            return "length"
        return "tool_calls" if self.tool_calls else "stop"


def chat(request: Mapping[str, Any], skills: Skills, *, deep: bool, tools: bool) -> Generation:
    """Answer a chat. `deep` asks for reasoning; `tools` lets the model call.

    Raises schema.UnsupportedSchemaError for a JSON schema no value can be written for.
    """
    draw = language.draw_for(request)
    reasoning = language.thought(request, draw) if deep else None
    function = language.choose_tool(request) if tools else None
    hints = language.last_user_text(request)
    calls: tuple[ToolCall, ...] = ()
    content = ""
    if function is not None:
        arguments = schema.instance(function.get("parameters") or {"type": "object"}, draw, hints)
        identifier = "".join(draw.choices("abcdefghijklmnopqrstuvwxyzABCDEF0123456789", k=9))
        calls = (ToolCall(identifier, str(function["name"]), json.dumps(arguments)),)
    elif (wanted := _schema_of(request)) is not None:
        content = json.dumps(schema.instance(wanted, draw, hints))
    else:
        content = language.answer(request, draw)
    if calls and not skills.tool_parser:
        content, calls = "".join(call.name + call.arguments for call in calls), ()
    if reasoning is not None and not skills.reasoning_parser:
        content, reasoning = f"[THINK]{reasoning}[/THINK]{content}", None
    prompt_tokens = len(language.pieces(language.prompt_text(request))) + 4
    said = Generation(content, reasoning, calls, prompt_tokens)
    return _limited(said, request.get("max_completion_tokens") or request.get("max_tokens"))


def completion(request: Mapping[str, Any], prompt: str) -> Generation:
    """Continue a text."""
    content = " " + language.answer(request, language.draw_for(request))
    said = Generation(content, prompt_tokens=len(language.pieces(prompt)) + 1)
    return _limited(said, request.get("max_tokens", DEFAULT_MAX_TOKENS))


def _schema_of(request: Mapping[str, Any]) -> Any:
    wanted = request.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return (wanted.get("json_schema") or {}).get("schema", {})
    return {"type": "object", "properties": {}} if wanted.get("type") == "json_object" else None


def _limited(said: Generation, limit: Any) -> Generation:
    """Cut at `max_tokens`: the reasoning counts first, then the answer."""
    thought = language.pieces(said.reasoning or "")
    words = language.pieces(said.content)
    called = sum(len(language.pieces(c.name + c.arguments)) for c in said.tool_calls)
    total = len(thought) + len(words) + called
    if not limit or total <= int(limit):
        return replace(said, completion_tokens=total)
    left = int(limit)
    reasoning = "".join(thought[:left]) if said.reasoning is not None else None
    content = "".join(words[: max(0, left - len(thought))])
    return replace(
        said,
        content=content,
        reasoning=reasoning,
        tool_calls=(),
        completion_tokens=left,
        cut=True,
    )
