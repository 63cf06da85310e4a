"""`vllm serve …`, simulated: run as `python -m clore_emulator.engines.vllm`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from clore_emulator.engines import checkpoint as files
from clore_emulator.engines import loading, vllm_app, vllm_arguments
from clore_emulator.engines.checkpoint import Checkpoint, LoadError
from clore_emulator.engines.dialect import Vllm
from clore_emulator.engines.engine import Engine
from clore_emulator.engines.fit import Fit, check_vllm, gib, kv_fit, out_of_memory
from clore_emulator.engines.flags import Release, load
from clore_emulator.engines.generation import Skills
from clore_emulator.engines.loading import say, vllm_log
from clore_emulator.engines.server import Ending, bind, serve
from clore_emulator.engines.surroundings import Gpu, Surroundings

VERSION: Final = "0.33.0"
NO_GPU: Final = (
    "RuntimeError: Failed to infer device type, please set the environment variable "
    "`VLLM_LOGGING_LEVEL=DEBUG` to turn on verbose logging to help debug the issue."
)
FOREVER_S: Final = 10.0**6


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, load, serve; return the exit code (argparse leaves by itself with 2)."""
    around = Surroundings.of()
    version = around.environment.get("CLORE_EMULATOR_VLLM_VERSION", VERSION)
    release = load("vllm-0.33.0", version=version)
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parsed = vllm_arguments.parse(words, release)
    except TypeError as error:
        say("Traceback (most recent call last):")
        say(f"TypeError: {error}")
        return 1
    try:
        return _run(parsed, release, around)
    except (LoadError, OSError, ValueError, ImportError, AttributeError) as error:
        return _fail("APIServer", error)


def _run(parsed: argparse.Namespace, release: Release, around: Surroundings) -> int:
    vllm_log(f"vLLM API server version {release.version}", process="APIServer")
    vllm_arguments.check_frontend(parsed, release)
    listening = bind(around, parsed.host, parsed.port)
    try:
        gpus = around.gpus()
        if not gpus:
            raise LoadError(NO_GPU)
        found = _find(parsed, around)
        vllm_arguments.check_config(parsed, found.architecture, len(gpus))
        try:
            context = _load(parsed, found, gpus, around)
        except LoadError as error:
            _fail("EngineCore", error)
            message = "RuntimeError: Engine core initialization failed. See root cause above."
            raise LoadError(f"{message} Failed core proc(s): {{'EngineCore': 1}}") from error
        engine = _engine(parsed, release, around, context)
        app = vllm_app.build(engine, parsed.middleware)
        where = f"http://{parsed.host or '0.0.0.0'}:{parsed.port}"
        vllm_log(f"Starting vLLM server on {where}", process="APIServer")
        ending = Ending(
            drain_s=float(parsed.shutdown_timeout if "shutdown_timeout" in parsed else 0),
            say=lambda text: vllm_log(text, process="APIServer"),
            announced="[shutdown] API server: shutdown triggered",
        )
        return serve(app, engine, listening, ending)
    finally:
        listening.close()


def _find(parsed: argparse.Namespace, around: Surroundings) -> Checkpoint:
    """The checkpoint in the layout that the three format flags ask for."""
    mistral = parsed.load_format == "mistral" or parsed.config_format == "mistral"
    weights = "consolidated*" if mistral else "model*"
    patterns = ["*.json", "*.txt", "*.jinja", f"{weights}.safetensors"]
    if parsed.load_format == "auto" and not mistral:
        patterns = ["*.json", "*.txt", "*.jinja", "consolidated*.safetensors"]
    folder = files.snapshot(parsed.model, parsed.revision, around.environment, patterns)
    layout = "mistral" if mistral else files.detect_layout(folder)
    found = files.open_checkpoint(folder, layout, parsed.model)
    if parsed.tokenizer_mode == "mistral" and not (folder / "tekken.json").is_file():
        message = f"FileNotFoundError: No tokenizer file found in files: {parsed.model}"
        raise LoadError(message)
    return found


def _load(
    parsed: argparse.Namespace, found: Checkpoint, gpus: Sequence[Gpu], around: Surroundings
) -> int:
    """Pass the stages of an engine core in virtual time; return the context that is served."""
    around.sleep(loading.START_S)
    vllm_log(f"Starting to load model {parsed.model}...")
    if around.faults.get("hangs_while_loading") is not None:
        around.sleep(FOREVER_S * around.time_scale)
    if (crash := around.faults.get("crashes_at_load")) is not None:
        text = str(crash["text"])
        raise LoadError(out_of_memory(gpus[0]) if "{capacity}" in text else text)
    vllm_arguments.check_model(parsed, found.architecture)
    fit = kv_fit(
        found,
        gpus,
        tensor_parallel=parsed.tensor_parallel_size,
        pipeline_parallel=parsed.pipeline_parallel_size,
        utilization=parsed.gpu_memory_utilization,
        kv_dtype=parsed.kv_cache_dtype,
    )
    seconds = loading.load_shards(found, around, lambda line: say(f"(Worker_TP0) {line}"))
    vllm_log(f"Loading weights took {seconds:.2f} seconds")
    memory = gib(fit.weights_bytes_per_gpu)
    vllm_log(f"Model loading took {memory} GiB memory and {seconds + 1.2:.6f} seconds")
    return _warm_up(parsed, found, fit, around)


def _warm_up(parsed: argparse.Namespace, found: Checkpoint, fit: Fit, around: Surroundings) -> int:
    around.sleep(0 if parsed.enforce_eager else loading.COMPILE_S)
    vllm_log(f"torch.compile took {loading.COMPILE_S:.2f} s in total")
    vllm_log(f"Available KV cache memory: {gib(fit.kv_bytes_per_gpu)} GiB")
    longest = found.architecture.max_context
    context = int(parsed.max_model_len or longest)
    if context == -1:
        context = min(longest, fit.tokens)
    check_vllm(fit, context)
    vllm_log(
        f"GPU KV cache size: {fit.tokens:,} tokens, Maximum concurrency for {context:,} tokens "
        f"per request: {fit.tokens / context:.2f}x"
    )
    around.sleep(0 if parsed.enforce_eager else loading.GRAPHS_S)
    vllm_log(f"Graph capturing finished in {loading.GRAPHS_S:.0f} secs, took 1.25 GiB")
    took = loading.COMPILE_S + loading.GRAPHS_S
    vllm_log(
        f"init engine (profile, create kv cache, warmup model) took {took:.2f} s "
        f"(compilation: {loading.COMPILE_S:.2f} s)"
    )
    return context


def _engine(
    parsed: argparse.Namespace, release: Release, around: Surroundings, context: int
) -> Engine:
    fallback = around.environment.get("VLLM_API_KEY")
    keys = parsed.api_key or ([fallback] if fallback else [])
    served = parsed.served_model_name or [parsed.model]
    return Engine(
        dialect=Vllm(release.version),
        around=around,
        served=tuple([served] if isinstance(served, str) else served),
        root=parsed.model,
        version=release.version,
        skills=Skills(
            reasoning_parser=bool(parsed.reasoning_parser),
            tool_parser=bool(parsed.enable_auto_tool_choice and parsed.tool_call_parser),
            max_context=context,
        ),
        keys=tuple(key for key in keys if key),
        mistral_tokenizer=parsed.tokenizer_mode in ("mistral", "auto"),
    )


def _fail(process: str, error: Exception) -> int:
    """Print an end as vLLM does: the traceback's last line stands alone."""
    text = str(error)
    if not isinstance(error, LoadError):
        text = f"{type(error).__name__}: {error}"
    if process == "EngineCore":
        vllm_log("EngineCore failed to start.", level="ERROR")
    vllm_log("Traceback (most recent call last):", process=process, level="ERROR")
    vllm_log(text, process=process, level="ERROR")
    if process == "APIServer":
        say(text)
    return 1


if __name__ == "__main__":
    sys.exit(main())
