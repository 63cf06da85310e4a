"""How the three engines word the same answer: fields, error shapes, stream deltas.

Sources: vLLM 0.33.0 `vllm/entrypoints/openai/chat_completion/protocol.py`, SGLang 0.5.23
`sglang/srt/entrypoints/openai/protocol.py`, llama.cpp `tools/server/server-task.cpp`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from clore_emulator.engines.flags import version_key
from clore_emulator.engines.generation import Generation, ToolCall
from clore_emulator.engines.language import pieces

Json = dict[str, Any]


class Refusal(Exception):
    """An HTTP answer other than 200, in words; the dialect gives it its shape."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param


class Dialect(Protocol):
    """What differs between the engines once an answer is known."""

    @property
    def engine(self) -> str:
        """vllm, sglang or llamacpp."""

    def error(self, refusal: Refusal) -> Json:
        """The body of an error."""

    def wants_reasoning(self, request: Mapping[str, Any]) -> bool:
        """Whether the model should think; raises Refusal for an effort it does not know."""

    def message(self, said: Generation) -> Json:
        """The assistant's message of an answer that is not streamed."""

    def deltas(self, said: Generation) -> Iterator[Json]:
        """The deltas of a stream, without the final one that carries the finish reason."""

    def last_delta(self) -> Json:
        """The delta beside the finish reason."""

    def card(self, name: str, root: str, max_context: int, created: int) -> Json:
        """One entry of `/v1/models`."""


def call_json(call: ToolCall, index: int | None = None) -> Json:
    """A tool call as all three engines write it; `index` only in streams."""
    place = {} if index is None else {"index": index}
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", **place, "function": function}


def groups(text: str, size: int = 4) -> Iterator[str]:
    """A text in stream-sized parts of some tokens."""
    words = pieces(text)
    for start in range(0, len(words), size):
        yield "".join(words[start : start + size])


@dataclass(frozen=True)
class Vllm:
    """vLLM; the reasoning field has changed twice (`reasoning_content`, both, `reasoning`)."""

    version: str = "0.33.0"
    engine: str = "vllm"

    @property
    def reasoning_fields(self) -> tuple[str, ...]:
        key = version_key(self.version)
        if key < (0, 12, 0):
            return ("reasoning_content",)
        return ("reasoning", "reasoning_content") if key < (0, 16, 0) else ("reasoning",)

    def error(self, refusal: Refusal) -> Json:
        kinds = {400: "BadRequestError", 404: "NotFoundError", 500: "InternalServerError"}
        kind = refusal.kind or kinds.get(refusal.status, HTTPStatus(refusal.status).phrase)
        body = {"message": refusal.message, "type": kind, "param": refusal.param}
        return {"error": {**body, "code": refusal.status}}

    def wants_reasoning(self, request: Mapping[str, Any]) -> bool:
        effort = request.get("reasoning_effort")
        if effort not in (None, "none", "high"):
            message = (
                f"reasoning_effort='{effort}' is not supported by Mistral models. "
                "Supported values are: ['none', 'high']"
            )
            raise Refusal(message)
        return effort == "high"

    def message(self, said: Generation) -> Json:
        calls = {"tool_calls": [call_json(call) for call in said.tool_calls]}
        return {
            "role": "assistant",
            "content": said.content or (None if said.tool_calls or said.cut else ""),
            "refusal": None,
            "annotations": None,
            "audio": None,
            "function_call": None,
            **(calls if said.tool_calls else {}),
            **dict.fromkeys(self.reasoning_fields, said.reasoning),
        }

    def deltas(self, said: Generation) -> Iterator[Json]:
        yield {"role": "assistant", "content": ""}
        for part in groups(said.reasoning or ""):
            yield dict.fromkeys(self.reasoning_fields, part)
        for part in groups(said.content):
            yield {"content": part}
        for index, call in enumerate(said.tool_calls):
            yield {"tool_calls": [call_json(call, index)]}

    def last_delta(self) -> Json:
        return {"content": ""}

    def card(self, name: str, root: str, max_context: int, created: int) -> Json:
        return {
            "id": name,
            "object": "model",
            "created": created,
            "owned_by": "vllm",
            "root": root,
            "parent": None,
            "max_model_len": max_context,
            "permission": [],
        }


@dataclass(frozen=True)
class Sglang:
    """SGLang: flat errors, every delta names every field, any effort but none thinks."""

    engine: str = "sglang"

    def error(self, refusal: Refusal) -> Json:
        kinds = {400: "BadRequest", 500: "InternalServerError"}
        return {
            "object": "error",
            "message": refusal.message,
            "type": refusal.kind or kinds.get(refusal.status, HTTPStatus(refusal.status).phrase),
            "param": refusal.param,
            "code": refusal.status,
        }

    def wants_reasoning(self, request: Mapping[str, Any]) -> bool:
        return request.get("reasoning_effort") not in (None, "none")

    def message(self, said: Generation) -> Json:
        calls = [call_json(call) for call in said.tool_calls]
        return {
            "role": "assistant",
            "content": said.content or (None if calls else ""),
            "reasoning_content": said.reasoning,
            "tool_calls": calls or None,
        }

    def deltas(self, said: Generation) -> Iterator[Json]:
        yield self._delta(role="assistant", content="")
        for part in groups(said.reasoning or ""):
            yield self._delta(reasoning_content=part)
        for part in groups(said.content):
            yield self._delta(content=part)
        for index, call in enumerate(said.tool_calls):
            yield self._delta(tool_calls=[call_json(call, index)])

    def last_delta(self) -> Json:
        return self._delta()

    def card(self, name: str, root: str, max_context: int, created: int) -> Json:
        return {
            "id": name,
            "object": "model",
            "created": created,
            "owned_by": "sglang",
            "root": root,
            "parent": None,
            "max_model_len": max_context,
        }

    def _delta(self, **said: Any) -> Json:
        fields = ("role", "content", "reasoning_content", "tool_calls")
        return {**dict.fromkeys(fields), **said}


@dataclass(frozen=True)
class LlamaCpp:
    """llama-server: `reasoning_content` only where there is some, errors with the code first."""

    weights_bytes: int = 0
    engine: str = "llamacpp"

    def error(self, refusal: Refusal) -> Json:
        kinds = {400: "invalid_request_error", 404: "not_found_error", 503: "unavailable_error"}
        kind = refusal.kind or kinds.get(refusal.status, "server_error")
        return {"error": {"code": refusal.status, "message": refusal.message, "type": kind}}

    def wants_reasoning(self, request: Mapping[str, Any]) -> bool:
        effort = request.get("reasoning_effort")
        if effort not in (None, "none", "high"):
            message = f"reasoning_effort must be 'none' or 'high', got {effort!r}"
            raise Refusal(message)
        return effort == "high"

    def message(self, said: Generation) -> Json:
        calls = [call_json(call) for call in said.tool_calls]
        reasoning = {"reasoning_content": said.reasoning} if said.reasoning else {}
        body = {"role": "assistant", "content": said.content or (None if calls else "")}
        return {**body, **reasoning, **({"tool_calls": calls} if calls else {})}

    def deltas(self, said: Generation) -> Iterator[Json]:
        yield {"role": "assistant", "content": None}
        for part in groups(said.reasoning or ""):
            yield {"reasoning_content": part}
        for part in groups(said.content):
            yield {"content": part}
        for index, call in enumerate(said.tool_calls):
            yield {"tool_calls": [call_json(call, index)]}

    def last_delta(self) -> Json:
        return {}

    def card(self, name: str, root: str, max_context: int, created: int) -> Json:
        meta = {"n_ctx_train": max_context, "size": self.weights_bytes, "n_vocab": 131072}
        body = {"id": name, "object": "model", "created": created, "owned_by": "llamacpp"}
        return {**body, "meta": {**meta, "path": root}}
