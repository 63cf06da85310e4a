"""SGLang's server, simulated: the application object and what runs it.

The shim modules under `shims/` give it the import paths of the real release. As there, `app` exists
at import, the key's middleware is added at launch, and the warm-up asks the server over HTTP and
ends it when it is refused.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from clore_emulator.engines import checkpoint as files
from clore_emulator.engines import generation, loading, protocol
from clore_emulator.engines.checkpoint import Checkpoint, LoadError
from clore_emulator.engines.dialect import Refusal, Sglang
from clore_emulator.engines.engine import Engine
from clore_emulator.engines.fit import GIB, kv_fit, out_of_memory
from clore_emulator.engines.generation import Skills
from clore_emulator.engines.loading import say, sglang_log
from clore_emulator.engines.server import Ending, bind, serve
from clore_emulator.engines.sglang_arguments import ServerArgs, version
from clore_emulator.engines.surroundings import Gpu, Surroundings

OPEN: Final = ("/health", "/ready", "/metrics")
"""Prefixes that need no key."""
DEFAULT_MEMORY_FRACTION: Final = 0.88
DRAIN_S: Final = 30.0
"""Virtual seconds for requests in flight after SIGTERM. Invented: SGLang waits for all of them."""
FOREVER_S: Final = 10.0**6
WARM_UP_TRIES: Final = 120

app = Starlette()


def launch(server_args: ServerArgs, app: Starlette = app) -> int:
    """Load, then serve until a signal; return the exit code."""
    around = Surroundings.of()
    try:
        found, context = _load(server_args, around)
        listening = bind(around, server_args.host, server_args.port)
    except (LoadError, OSError) as error:
        sglang_log("Scheduler hit an exception: Traceback (most recent call last):")
        say(str(error) if isinstance(error, LoadError) else f"{type(error).__name__}: {error}")
        return 1
    engine = _engine(server_args, around, context)
    engine.ready = False
    app.router.routes.extend(_routes(engine, server_args, found))
    if engine.keys:
        app.add_middleware(_Key, engine=engine)
    warm_up = _Warmth(engine, server_args, listening.getsockname())
    threading.Thread(target=warm_up.run, daemon=True).start()
    ending = Ending(drain_s=DRAIN_S, say=sglang_log, announced="SIGTERM received.")
    try:
        return serve(app, engine, listening, ending)
    finally:
        listening.close()


class _Key:
    """Asks for the key everywhere but on probes and metrics."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self._app = app
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = (
            scope["type"] == "http"
            and scope["method"] != "OPTIONS"
            and not scope["path"].startswith(OPEN)
        )
        if guarded and not self._engine.key_fits(Headers(scope=scope).get("authorization")):
            answer = JSONResponse({"error": "Unauthorized"}, status_code=401)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _Warmth:
    """The start-up request that SGLang sends itself; a refusal ends the process."""

    def __init__(self, engine: Engine, arguments: ServerArgs, address: tuple[Any, ...]) -> None:
        self._engine = engine
        self._arguments = arguments
        self._address = address

    def run(self) -> None:
        """Become ready, or end everything with what the server answered."""
        if not self._arguments.skip_server_warmup and not self._asked():
            sglang_log("Initialization failed. warmup error: the server refused its own request")
            os.kill(os.getpid(), signal.SIGKILL)
        self._wait_for_socket()
        self._engine.ready = True
        sglang_log("The server is fired up and ready to roll!")

    def _asked(self) -> bool:
        self._wait_for_socket()
        if self._ask("GET", "/model_info", None) != 200:
            return False
        body = {"text": "The capital city of France is", "sampling_params": {"max_new_tokens": 8}}
        return self._ask("POST", "/generate", body) == 200

    def _wait_for_socket(self) -> None:
        for _ in range(WARM_UP_TRIES):
            try:
                socket.create_connection(self._address[:2], timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return

    def _ask(self, method: str, path: str, body: Any) -> int:
        headers = {"Content-Type": "application/json"}
        if self._engine.keys:
            headers["Authorization"] = f"Bearer {self._engine.keys[0]}"
        host, port = self._address[:2]
        connection = http.client.HTTPConnection(host, port, timeout=60)
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


def _load(arguments: ServerArgs, around: Surroundings) -> tuple[Checkpoint, int]:
    """Pass the stages of SGLang's start in virtual time; return checkpoint and context."""
    gpus = around.gpus()
    patterns = ["*.json", "*.txt", "*.jinja", "*.safetensors"]
    folder = files.snapshot(arguments.model_path, arguments.revision, around.environment, patterns)
    found = files.open_checkpoint(folder, "hf", arguments.model_path)
    if len(gpus) < arguments.tp_size * arguments.pp_size:
        raise LoadError("RuntimeError: CUDA error: invalid device ordinal")
    heads, kv_heads = found.architecture.heads, found.architecture.kv_heads
    parallel = arguments.tp_size
    if heads % parallel or max(parallel, kv_heads) % min(parallel, kv_heads):
        raise LoadError("AssertionError")
    context = arguments.context_length or found.architecture.max_context
    if context > found.architecture.max_context:
        message = (
            f"ValueError: User-specified context_length ({context}) is greater than the derived "
            f"context_length ({found.architecture.max_context})."
        )
        raise LoadError(message)
    around.sleep(loading.START_S)
    sglang_log(f"Load weight begin. avail mem={gpus[0].memory_bytes / GIB:.2f} GB")
    if around.faults.get("hangs_while_loading") is not None:
        around.sleep(FOREVER_S * around.time_scale)
    _load_weights(arguments, around, found, gpus)
    return found, int(context)


def _load_weights(
    arguments: ServerArgs, around: Surroundings, found: Checkpoint, gpus: tuple[Gpu, ...]
) -> None:
    if (crash := around.faults.get("crashes_at_load")) is not None:
        text = str(crash["text"])
        raise LoadError(out_of_memory(gpus[0]) if "{capacity}" in text else text)
    fraction = arguments.mem_fraction_static or DEFAULT_MEMORY_FRACTION
    fit = kv_fit(
        found,
        gpus,
        tensor_parallel=arguments.tp_size,
        pipeline_parallel=arguments.pp_size,
        utilization=fraction,
        kv_dtype=arguments.kv_cache_dtype,
    )
    if fit.tokens <= 0:
        message = (
            "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static. "
            f"Current value: mem_fraction_static={fraction}"
        )
        raise LoadError(message)
    loading.load_shards(found, around, say)
    used = fit.weights_bytes_per_gpu / GIB
    sglang_log(f"Load weight end. type=MistralForCausalLM, mem usage={used:.2f} GB.")
    around.sleep(loading.GRAPHS_S)
    sglang_log(f"max_total_num_tokens={fit.tokens}, context_len={arguments.context_length}")


def _engine(arguments: ServerArgs, around: Surroundings, context: int) -> Engine:
    return Engine(
        dialect=Sglang(),
        around=around,
        served=(arguments.served_model_name,),
        root=arguments.model_path,
        version=version(),
        skills=Skills(
            reasoning_parser=bool(arguments.reasoning_parser),
            tool_parser=bool(arguments.tool_call_parser),
            max_context=context,
        ),
        keys=(arguments.api_key,) if arguments.api_key else (),
        checks_model=False,
        metrics_enabled=bool(arguments.enable_metrics),
    )


def _routes(engine: Engine, arguments: ServerArgs, found: Checkpoint) -> list[Route]:
    async def health(request: Request) -> Response:
        del request
        if not engine.ready or engine.dead:
            return Response(status_code=503)
        await engine.think(1)
        return Response(status_code=200)

    async def ready(request: Request) -> Response:
        del request
        return Response(status_code=200 if engine.ready and not engine.dead else 503)

    async def model_info(request: Request) -> Response:
        del request
        about = {"model_path": engine.root, "tokenizer_path": engine.root, "is_generation": True}
        weights = {"weight_version": "default", "total_size": found.total_bytes}
        return JSONResponse({**about, **weights})

    async def server_info(request: Request) -> Response:
        del request
        # The key stays out, though the real one shows every flag.
        shown = {k: v for k, v in vars(arguments).items() if "key" not in k}
        return JSONResponse({**shown, "version": engine.version})

    async def ping(request: Request) -> Response:
        del request
        return PlainTextResponse("")

    routes = [
        Route("/health", health),
        Route("/health_generate", health),
        Route("/ready", ready),
        Route("/model_info", model_info),
        Route("/get_model_info", model_info),
        Route("/server_info", server_info),
        Route("/get_server_info", server_info),
        Route("/ping", ping),
        Route("/generate", _generate(engine), methods=["POST", "PUT"]),
        Route("/v1/models", protocol.models_route(engine)),
        Route("/v1/chat/completions", protocol.chat_route(engine), methods=["POST"]),
        Route("/v1/completions", protocol.completion_route(engine), methods=["POST"]),
        Route("/invocations", protocol.invocations_route(engine), methods=["POST"]),
        Route("/tokenize", protocol.tokenize_route(engine), methods=["POST"]),
    ]
    if engine.metrics_enabled:
        routes.append(Route("/metrics", protocol.metrics_route(engine)))
    return routes


def _generate(engine: Engine) -> Callable[[Request], Any]:
    """SGLang's native route: text in, text and counts out."""

    async def handle(request: Request) -> Response:
        body = await protocol.body_of(request)
        limit = (body.get("sampling_params") or {}).get("max_new_tokens", 128)
        asked = {"prompt": body.get("text") or "", "max_tokens": limit}
        if engine.dead:
            raise Refusal("the scheduler is gone", status=500)
        said = generation.completion(asked, asked["prompt"])
        await engine.think()
        counts = protocol.usage(said)
        return JSONResponse({"text": said.content, "meta_info": counts})

    return protocol.refusing(engine, handle)
