"""Real engines without a host around them: the guarded process itself, for limits and figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests
from tools.flags.environment import Environment as ParserEnvironment
from tools.flags.release import sources
from tools.real_engines import arms, sglang_inside
from tools.real_engines.environment import GGUF_MODEL, VLLM_MODELS

from clore_inference.secret import Secret
from clore_inference.serving import (
    SETTINGS_VARIABLE,
    guard_config,
    guard_source,
    keys_document,
    launcher_source,
    proxy_sources,
)
from support.box import free_port
from support.engine import REPOSITORY
from support.real import MODEL, Endpoint, engines

KEY: Final = "caller-key-canary"
OPS_KEY: Final = "operator-key-canary"
ENGINE_KEY: Final = "engine-key-canary"
HEALTHY_WITHIN_S: Final = 600.0
SGLANG: Final = "0.5.23"
SGLANG_FLAGS: Final = (
    "--model-path", "mistralai/Mistral-Medium-3.5-FP8",
    "--tp-size", "4",
    "--tool-call-parser", "mistral",
    "--reasoning-parser", "mistral",
    "--mem-fraction-static", "0.88",
    "--context-length", "65536",
    "--served-model-name", MODEL,
    "--host", "127.0.0.1",
)  # fmt: skip
GUIDES_FLAGS: Final = (
    "--tensor-parallel-size", "4",
    "--max-model-len", "65536",
    "--gpu-memory-utilization", "0.90",
    "--enable-chunked-prefill",
    "--enable-auto-tool-choice",
    "--tool-call-parser", "mistral",
    "--reasoning-parser", "mistral",
    "--tokenizer-mode", "mistral",
    "--config-format", "mistral",
    "--load-format", "mistral",
    "--served-model-name", MODEL,
)  # fmt: skip


def prepare(directory: Path, engine: str, timeout_s: float) -> dict[str, str]:
    """Lay out what the supervisor lays out on a host; return the engine's environment."""
    serving = directory / "serving"
    (serving / "clore_llamacpp").mkdir(parents=True)
    (serving / "clore_guard.py").write_text(guard_source())
    (serving / "arms.py").write_text(Path(arms.__file__).read_text())
    for name, text in proxy_sources().items():
        (serving / "clore_llamacpp" / name).write_text(text)
    keys = [("default", Secret(KEY), "user"), ("operator", Secret(OPS_KEY), "ops")]
    (directory / "keys.json").write_text(keys_document(keys))  # type: ignore[arg-type]
    (directory / "engine.key").write_text(ENGINE_KEY)
    config = guard_config(
        keys_file=str(directory / "keys.json"),
        engine_key_file=str(directory / "engine.key"),
        engine=engine,  # type: ignore[arg-type]
        served_model=MODEL,
        timeout_s=timeout_s,
    )
    (directory / "guard.json").write_text(json.dumps(config))
    return {
        "PATH": os.pathsep.join((str(engines() / "bin"), os.environ["PATH"])),
        "HOME": str(directory),
        "PYTHONPATH": str(serving),
        SETTINGS_VARIABLE: str(directory / "guard.json"),
        "HF_HUB_OFFLINE": "1",
    }


@contextmanager
def vllm(directory: Path, *, timeout_s: float) -> Iterator[Endpoint]:
    """Real vLLM behind the guard, with an arm past it for measurements."""
    port = free_port()
    model = str(engines() / "hub" / VLLM_MODELS[0])
    line = ["vllm", "serve", model, *GUIDES_FLAGS, "--host", "127.0.0.1", "--port", str(port)]
    environment = prepare(directory, "vllm", timeout_s) | {"VLLM_API_KEY": ENGINE_KEY}
    with _running(directory, [*line, "--middleware", "arms.Arms"], environment, port):
        yield Endpoint("vllm", f"http://127.0.0.1:{port}", KEY, OPS_KEY)


@contextmanager
def llamacpp(directory: Path, *, timeout_s: float) -> Iterator[tuple[Endpoint, int]]:
    """Real llama-server behind our proxy; and the engine's own port."""
    door, inner = free_port(), free_port()
    line = [
        "llama-server", "-m", str(engines() / "hub" / GGUF_MODEL), "--alias", MODEL,
        "-c", "32768", "-ngl", "all", "--host", "127.0.0.1", "--port", str(inner),
        "--fit", "off", "--jinja", "-np", "1", "--metrics",
    ]  # fmt: skip
    environment = prepare(directory, "llamacpp", timeout_s) | {
        "LLAMA_API_KEY": ENGINE_KEY,
        "CLORE_INFERENCE_LISTEN": f"127.0.0.1:{door}",
    }
    with _running(directory, [sys.executable, "-m", "clore_llamacpp", *line], environment, door):
        yield Endpoint("llamacpp", f"http://127.0.0.1:{door}", KEY, OPS_KEY), inner


@contextmanager
def sglang(directory: Path, *, timeout_s: float) -> Iterator[tuple[str, Path]]:
    """SGLang's real HTTP server with a script for its engine; and the file of its counters."""
    port, counters = free_port(), directory / "counters.json"
    environment = prepare(directory, "sglang", timeout_s)
    (directory / "serving" / "clore_sglang.py").write_text(launcher_source())
    parsers = ParserEnvironment(print)
    modules = (directory / "serving", sources("sglang", SGLANG, print))
    environment["PYTHONPATH"] = os.pathsep.join(
        map(str, (*modules, parsers.folder / "triton", REPOSITORY))
    )
    environment[sglang_inside.COUNTERS] = str(counters)
    line = [str(parsers.python), str(sglang_inside.__file__), *SGLANG_FLAGS, "--port", str(port)]
    with _running(directory, line, environment, port):
        yield f"http://127.0.0.1:{port}", counters


@contextmanager
def _running(
    directory: Path, line: Sequence[str], environment: Mapping[str, str], port: int
) -> Iterator[None]:
    log = directory / "engine.log"
    with log.open("w") as file:
        process = subprocess.Popen(line, env=environment, stdout=file, stderr=file, cwd=directory)
    try:
        _wait(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + HEALTHY_WITHIN_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise AssertionError(log.read_text()[-4000:])
