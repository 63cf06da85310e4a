"""`llama-server …`, simulated: run as `python -m clore_emulator.engines.llama_server`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from clore_emulator.engines import gguf, loading, protocol
from clore_emulator.engines.checkpoint import Checkpoint, LoadError
from clore_emulator.engines.dialect import LlamaCpp, Refusal
from clore_emulator.engines.engine import Engine
from clore_emulator.engines.fit import ELEMENT_BYTES, GIB
from clore_emulator.engines.flags import load
from clore_emulator.engines.generation import Skills
from clore_emulator.engines.llama_arguments import ArgumentError, parse
from clore_emulator.engines.loading import say
from clore_emulator.engines.server import Ending, bind, serve
from clore_emulator.engines.surroundings import Surroundings

VERSION: Final = "b11434"
BUFFERS_BYTES: Final = int(1.5 * GIB)
"""Compute buffers of a text-only server: an assumption, not a measurement."""
OPEN: Final = ("/health", "/v1/health")
STEPS: Final = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, listen, load in view of who asks, serve; return the exit code."""
    around = Surroundings.of()
    version = around.environment.get("CLORE_EMULATOR_LLAMACPP_VERSION", VERSION)
    release = load("llama-server-b11434", version=version)
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        flags = parse(words, release, around.environment)
    except ArgumentError as error:
        say(str(error))
        return 1
    if flags["version"]:
        say(f"version: {version.removeprefix('b')} (emulator)")
        return 0
    try:
        return _run(flags, version, around)
    except (LoadError, OSError) as error:
        say(f"srv  llama_server: exiting due to model loading error\n{error}")
        return 1


def _run(flags: dict[str, Any], version: str, around: Surroundings) -> int:
    listening = bind(around, flags["host"], flags["port"])
    try:
        if not flags["model"]:
            raise LoadError("error: --model is required")
        found = gguf.read(Path(flags["model"]))
        engine = _engine(flags, found, version, around)
        engine.ready = False

        async def become_ready() -> AsyncIterator[None]:
            try:
                async for _ in _load(flags, found, around):
                    yield
            except LoadError as error:
                engine.end(f"{error}\nsrv  llama_server: exiting due to model loading error")
                return
            engine.ready = True
            say("main: model loaded")
            say(f"main: server is listening on http://{flags['host']}:{flags['port']}")

        ending = Ending(drain_s=0, say=say, announced="srv  operator(): cleaning up before exit...")
        return serve(_app(engine, flags), engine, listening, ending, become_ready)
    finally:
        listening.close()


async def _load(
    flags: dict[str, Any], found: Checkpoint, around: Surroundings
) -> AsyncIterator[None]:
    """Check the fit, then let the time of reading the file pass."""
    if (crash := around.faults.get("crashes_at_load")) is not None:
        raise LoadError(str(crash["text"]).format(capacity="79.65", used="79.44"))
    gpus = await asyncio.to_thread(around.gpus)
    memory = sum(gpu.memory_bytes for gpu in gpus)
    per_token = found.architecture.kv_bytes_per_token(
        (ELEMENT_BYTES[flags["cache_type_k"]] + ELEMENT_BYTES[flags["cache_type_v"]]) / 2
    )
    needed = found.total_bytes + context_of(flags, found) * per_token + BUFFERS_BYTES
    if gpus and needed > memory:
        message = (
            f"ggml_backend_cuda_buffer_type_alloc_buffer: allocating {needed / 2**20:.2f} MiB on "
            "device 0: cudaMalloc failed: out of memory\n"
            "llama_model_load: error loading model: unable to allocate CUDA0 buffer"
        )
        raise LoadError(message)
    for _ in range(STEPS):
        sys.stderr.write(".")
        sys.stderr.flush()
        seconds = found.total_bytes / loading.READ_BYTES_PER_S / STEPS
        await asyncio.sleep(around.real(seconds))
        yield
    while around.faults.get("hangs_while_loading") is not None:
        await asyncio.sleep(loading.START_S)
        yield


def context_of(flags: dict[str, Any], found: Checkpoint) -> int:
    """The whole context; 0 is the model's own."""
    return int(flags["ctx_size"] or found.architecture.max_context)


def _engine(flags: dict[str, Any], found: Checkpoint, version: str, around: Surroundings) -> Engine:
    slots = 1 if flags["kv_unified"] else max(1, flags["parallel"])
    keys = tuple(key for key in (flags["api_key"] or "").split(",") if key)
    return Engine(
        dialect=LlamaCpp(found.total_bytes),
        around=around,
        served=(flags["alias"] or flags["model"],),
        root=flags["model"],
        version=version,
        skills=Skills(
            reasoning_parser=flags["reasoning_format"] != "none",
            tool_parser=bool(flags["jinja"]),
            max_context=context_of(flags, found) // slots,
        ),
        keys=keys,
        checks_model=False,
        metrics_enabled=bool(flags["metrics"]),
    )


class _Door:
    """The key first, then the state: nothing answers before the model is loaded."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self._app = app
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["path"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
            return
        body = self._engine.dialect.error(refusal)
        answer = JSONResponse(body, status_code=refusal.status)
        await answer(scope, receive, send)

    def _refusal(self, path: str, headers: Headers) -> Refusal | None:
        given = headers.get("authorization") or f"Bearer {headers.get('x-api-key', '')}"
        if path not in OPEN and not self._engine.key_fits(given):
            return Refusal("Invalid API Key", status=401, kind="authentication_error")
        return None if self._engine.ready else Refusal("Loading model", status=503)


def _app(engine: Engine, flags: dict[str, Any]) -> Starlette:
    async def health(request: Request) -> Response:
        del request
        return JSONResponse({"status": "ok"})

    async def props(request: Request) -> Response:
        del request
        settings = {"n_ctx": engine.skills.max_context}
        shown = {"model_path": engine.root, "total_slots": flags["parallel"]}
        body = {**shown, "default_generation_settings": settings, "build_info": engine.version}
        return JSONResponse(body)

    async def metrics(request: Request) -> Response:
        if engine.metrics_enabled:
            return await protocol.metrics_route(engine)(request)
        message = "This server does not support metrics endpoint. Start it with `--metrics`"
        refusal = Refusal(message, status=501, kind="not_supported_error")
        return JSONResponse(engine.dialect.error(refusal), status_code=501)

    chat, completion = protocol.chat_route(engine), protocol.completion_route(engine)
    post = ["POST"]
    routes = [
        *(Route(path, health) for path in OPEN),
        Route("/metrics", metrics),
        Route("/props", props),
        Route("/v1/models", protocol.models_route(engine)),
        Route("/models", protocol.models_route(engine)),
        Route("/v1/chat/completions", chat, methods=post),
        Route("/chat/completions", chat, methods=post),
        Route("/v1/completions", completion, methods=post),
        Route("/completion", completion, methods=post),
        Route("/tokenize", protocol.tokenize_route(engine), methods=post),
    ]

    async def lost(request: Request, error: Exception) -> Response:
        del request, error
        body = engine.dialect.error(Refusal("File Not Found", status=404))
        return JSONResponse(body, status_code=404)

    app = Starlette(routes=routes, exception_handlers={404: lost})
    app.add_middleware(_Door, engine=engine)
    return app


if __name__ == "__main__":
    sys.exit(main())
