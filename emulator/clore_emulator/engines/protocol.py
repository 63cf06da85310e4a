"""The OpenAI-compatible routes: bodies in, one document or a stream of events out."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from clore_emulator.engines.dialect import Json, Refusal, groups
from clore_emulator.engines.engine import Engine
from clore_emulator.engines.generation import Generation
from clore_emulator.engines.language import pieces, prompt_text, token_ids

Handler = Callable[[Request], Awaitable[Response]]


def refusing(engine: Engine, handler: Handler) -> Handler:
    """Turn a Refusal into the engine's own error."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return JSONResponse(engine.dialect.error(refusal), status_code=refusal.status)

    return answered


async def body_of(request: Request, *, strict_type: bool = True) -> dict[str, Any]:
    """The JSON object that was sent, or Refusal."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if strict_type and kind != "application/json":
        message = "Unsupported Media Type: Only 'application/json' is allowed"
        raise Refusal(message, kind="Bad Request")
    try:
        document = json.loads(await request.body())
    except ValueError as error:
        message = f"1 validation error: {{'type': 'json_invalid', 'msg': '{error}'}}"
        raise Refusal(message, kind="Bad Request") from error
    if not isinstance(document, dict):
        raise Refusal("Input should be a valid dictionary", kind="Bad Request")
    return document


def chat_route(engine: Engine) -> Handler:
    """POST /v1/chat/completions."""

    async def handle(request: Request) -> Response:
        body = await body_of(request)
        return await answer_chat(engine, body)

    return refusing(engine, handle)


def completion_route(engine: Engine) -> Handler:
    """POST /v1/completions."""

    async def handle(request: Request) -> Response:
        return await answer_completion(engine, await body_of(request))

    return refusing(engine, handle)


def invocations_route(engine: Engine) -> Handler:
    """POST /invocations (SageMaker): a chat or a completion, by the body's form."""

    async def handle(request: Request) -> Response:
        body = await body_of(request)
        if "messages" in body:
            return await answer_chat(engine, body)
        return await answer_completion(engine, body)

    return refusing(engine, handle)


def models_route(engine: Engine) -> Handler:
    """GET /v1/models."""

    async def handle(request: Request) -> Response:
        del request
        context = engine.skills.max_context
        cards = [
            engine.dialect.card(name, engine.root, context, engine.created) for name in engine.names
        ]
        return JSONResponse({"object": "list", "data": cards})

    return handle


def tokenize_route(engine: Engine) -> Handler:
    """POST /tokenize."""

    async def handle(request: Request) -> Response:
        body = await body_of(request)
        text = prompt_text(body) if "messages" in body else str(body.get("prompt", ""))
        text = str(body["content"]) if "content" in body else text
        ids = token_ids(text)
        document = {"count": len(ids), "max_model_len": engine.skills.max_context, "tokens": ids}
        return JSONResponse({**document, "token_strs": None})

    return refusing(engine, handle)


def metrics_route(engine: Engine) -> Handler:
    """GET /metrics."""

    async def handle(request: Request) -> Response:
        del request
        page = engine.counters.text(engine.dialect.engine, engine.names[0])
        return Response(page, media_type="text/plain; version=1.0.0; charset=utf-8")

    return handle


async def answer_chat(engine: Engine, body: Mapping[str, Any]) -> Response:
    """Answer a chat body, streamed or whole."""
    said = engine.chat(body)
    envelope = _envelope(engine, body, "chatcmpl-", "chat.completion")
    if body.get("stream"):
        return _event_stream(_chat_events(engine, body, said, envelope))
    await _generate(engine, said)
    choice = {
        "index": 0,
        "message": engine.dialect.message(said),
        "logprobs": None,
        "finish_reason": said.finish_reason,
    }
    choices = [{**choice, "index": index} for index in range(int(body.get("n") or 1))]
    return JSONResponse({**envelope, "choices": choices, "usage": usage(said)})


async def answer_completion(engine: Engine, body: Mapping[str, Any]) -> Response:
    """Answer a completion body, streamed or whole."""
    said = engine.complete(body)
    envelope = _envelope(engine, body, "cmpl-", "text_completion")
    if body.get("stream"):
        return _event_stream(_completion_events(engine, body, said, envelope))
    await _generate(engine, said)
    choice = {
        "index": 0,
        "text": said.content,
        "logprobs": None,
        "finish_reason": said.finish_reason,
    }
    return JSONResponse({**envelope, "choices": [choice], "usage": usage(said)})


def usage(said: Generation) -> Json:
    """Token counts in the API's shape."""
    return {
        "prompt_tokens": said.prompt_tokens,
        "total_tokens": said.prompt_tokens + said.completion_tokens,
        "completion_tokens": said.completion_tokens,
        "prompt_tokens_details": None,
    }


async def _generate(engine: Engine, said: Generation) -> None:
    engine.counters.running += 1
    try:
        await engine.think()
        await engine.think(said.completion_tokens)
    finally:
        engine.counters.running -= 1


async def _chat_events(
    engine: Engine, body: Mapping[str, Any], said: Generation, envelope: Json
) -> AsyncIterator[str]:
    head = {**envelope, "object": "chat.completion.chunk"}

    def event(delta: Json, finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**head, "choices": [choice]})

    engine.counters.running += 1
    try:
        await engine.think()
        for delta in engine.dialect.deltas(said):
            yield event(delta)
            await engine.think(len(pieces(str(delta.get("content") or ""))) or 4)
        yield event(engine.dialect.last_delta(), said.finish_reason)
        if _wants_usage(body):
            yield _event({**head, "choices": [], "usage": usage(said)})
        yield "data: [DONE]\n\n"
    finally:
        engine.counters.running -= 1


async def _completion_events(
    engine: Engine, body: Mapping[str, Any], said: Generation, envelope: Json
) -> AsyncIterator[str]:
    def event(text: str, finish: str | None = None) -> str:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        return _event({**envelope, "choices": [choice]})

    await engine.think()
    for part in groups(said.content):
        yield event(part)
        await engine.think(4)
    yield event("", said.finish_reason)
    if _wants_usage(body):
        yield _event({**envelope, "choices": [], "usage": usage(said)})
    yield "data: [DONE]\n\n"


def _envelope(engine: Engine, body: Mapping[str, Any], prefix: str, kind: str) -> Json:
    own = engine.names[0]
    name = own if engine.checks_model else str(body.get("model") or own)
    head = {"id": f"{prefix}{uuid.uuid4().hex}", "object": kind, "created": int(time.time())}
    return {**head, "model": name}


def _wants_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, Mapping) and bool(options.get("include_usage"))


def _event(document: Json) -> str:
    compact = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f"data: {compact}\n\n"


def _event_stream(events: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream")
