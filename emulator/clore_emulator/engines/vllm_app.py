"""vLLM's HTTP application: its routes, its key, and middleware of one's own outside it all.

Order and reach of the key are those of `vllm/entrypoints/serve/middleware` in 0.33.0: the key guards
prefixes only, and `--middleware` is added last, so it is outermost.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from clore_emulator.engines import protocol
from clore_emulator.engines.engine import Engine
from clore_emulator.engines.flags import version_key

GUARDED: Final = ("/v1", "/v2", "/inference", "/cohere")
"""Before 0.33 only `/v1`."""


def build(engine: Engine, middleware: Sequence[str] = ()) -> Starlette:
    """The application of one engine. A wrong middleware raises what the import raises."""
    app = Starlette(routes=_routes(engine), exception_handlers={404: _lost, 405: _lost})
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]
    )
    if engine.keys:
        prefixes = GUARDED if version_key(engine.version) >= (0, 33, 0) else GUARDED[:1]
        app.add_middleware(_Key, engine=engine, prefixes=prefixes)
    for path in middleware:
        module, _, name = path.rpartition(".")
        imported = getattr(importlib.import_module(module), name)
        if inspect.isclass(imported):
            app.add_middleware(cast("Any", imported))
        elif inspect.iscoroutinefunction(imported):
            app.add_middleware(BaseHTTPMiddleware, dispatch=imported)
        else:
            message = f"Invalid middleware {path}. Must be a function or a class."
            raise ValueError(message)
    return app


class _Key:
    """Asks for the key below some prefixes, and nowhere else."""

    def __init__(self, app: ASGIApp, engine: Engine, prefixes: tuple[str, ...]) -> None:
        self._app = app
        self._engine = engine
        self._prefixes = prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = (
            scope["type"] in ("http", "websocket")
            and scope.get("method") != "OPTIONS"
            and scope["path"].startswith(self._prefixes)
        )
        if guarded and not self._engine.key_fits(Headers(scope=scope).get("authorization")):
            answer = JSONResponse({"error": "Unauthorized"}, status_code=401)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _routes(engine: Engine) -> list[Route]:
    async def health(request: Request) -> Response:
        del request
        return Response(status_code=503 if engine.dead else 200)

    async def version(request: Request) -> Response:
        del request
        return JSONResponse({"version": engine.version})

    async def load(request: Request) -> Response:
        del request
        return JSONResponse({"server_load": engine.counters.running})

    async def schema(request: Request) -> Response:
        del request
        info = {"title": "FastAPI", "version": "0.1.0"}
        return JSONResponse({"openapi": "3.1.0", "info": info, "paths": {}})

    return [
        Route("/health", health),
        Route("/ping", health, methods=["GET", "POST"]),
        Route("/version", version),
        Route("/load", load),
        Route("/metrics", protocol.metrics_route(engine)),
        Route("/v1/models", protocol.models_route(engine)),
        Route("/v1/chat/completions", protocol.chat_route(engine), methods=["POST"]),
        Route("/v1/completions", protocol.completion_route(engine), methods=["POST"]),
        Route("/invocations", protocol.invocations_route(engine), methods=["POST"]),
        Route("/tokenize", protocol.tokenize_route(engine), methods=["POST"]),
        Route("/openapi.json", schema),
        Route("/docs", _docs),
    ]


async def _docs(request: Request) -> Response:
    del request
    return HTMLResponse("<!DOCTYPE html><title>FastAPI - Swagger UI</title>")


async def _lost(request: Request, error: Exception) -> Response:
    del request
    status: Any = getattr(error, "status_code", 404)
    kind = "Not Found" if status == 404 else "Method Not Allowed"
    body = {"message": kind, "type": kind, "param": None, "code": status}
    return JSONResponse({"error": body}, status_code=status)
