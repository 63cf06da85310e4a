"""An engine simulator behind the guard, as it runs on a host: real command line, own process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests

from clore_inference.secret import Secret
from clore_inference.serving import (
    SETTINGS_VARIABLE,
    guard_config,
    guard_source,
    keys_document,
    launcher_source,
    proxy_sources,
)
from support.endpoint import KEY, MODEL
from support.engine import REPOSITORY

READY_WITHIN_S: Final = 40.0
ENGINE_KEY: Final = "engine-key-canary-77aa"
PARAMS: Final = {
    "dim": 12288,
    "n_layers": 88,
    "head_dim": 128,
    "n_heads": 96,
    "n_kv_heads": 8,
    "vocab_size": 131072,
    "max_position_embeddings": 262144,
}
CONFIG: Final = {
    "hidden_size": 12288,
    "num_hidden_layers": 88,
    "head_dim": 128,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "max_position_embeddings": 262144,
}
WEIGHTS_BYTES: Final = 133_605_834_656
SMI: Final = (
    "#!/bin/sh\n"
    "for i in 0 1 2 3; do echo 'NVIDIA H100 80GB HBM3, 81559'; done\n"
)  # fmt: skip


def checkpoint(directory: Path) -> Path:
    """A model folder in both layouts whose index has the real size and whose shard is empty."""
    folder = directory / "model"
    folder.mkdir()
    (folder / "params.json").write_text(json.dumps(PARAMS))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tekken.json").write_text("{}")
    for name in ("consolidated", "model"):
        shard = f"{name}-00001-of-00001.safetensors"
        (folder / shard).write_bytes(b"")
        index = {"metadata": {"total_size": WEIGHTS_BYTES}, "weight_map": {"a": shard}}
        (folder / f"{name}.safetensors.index.json").write_text(json.dumps(index))
    return folder


def prepare(directory: Path) -> dict[str, str]:
    """Lay out what a host has; return the engine's environment."""
    modules, programs = directory / "serving", directory / "bin"
    modules.mkdir()
    programs.mkdir()
    (modules / "clore_guard.py").write_text(guard_source())
    (modules / "clore_sglang.py").write_text(launcher_source())
    (modules / "clore_llamacpp").mkdir()
    for name, text in proxy_sources().items():
        (modules / "clore_llamacpp" / name).write_text(text)
    (directory / "keys.json").write_text(keys_document([("default", Secret(KEY), "user")]))
    (directory / "engine.key").write_text(ENGINE_KEY)
    config = guard_config(
        keys_file=str(directory / "keys.json"),
        engine_key_file=str(directory / "engine.key"),
        engine="vllm",
        served_model=MODEL,
    )
    (directory / "guard.json").write_text(json.dumps(config))
    (programs / "nvidia-smi").write_text(SMI)
    (programs / "nvidia-smi").chmod(0o755)
    emulator = REPOSITORY / "emulator"
    shims = emulator / "clore_emulator" / "engines" / "shims"
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(directory),
        "PYTHONPATH": os.pathsep.join(map(str, (modules, emulator, shims))),
        SETTINGS_VARIABLE: str(directory / "guard.json"),
        "VLLM_API_KEY": ENGINE_KEY,
        "CLORE_EMULATOR_TIME_SCALE": "600",
    }


@contextmanager
def engine(directory: Path, module: str, *flags: str) -> Iterator[str]:
    """Run an engine's module until it is healthy; yields its address."""
    environment = prepare(directory)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", module, *flags, "--host", "127.0.0.1", "--port", str(port)]
    log = directory / "engine.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        base_url = f"http://127.0.0.1:{port}"
        _wait(process, base_url, log)
        yield base_url
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], base_url: str, log: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if requests.get(base_url + "/health", timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def vllm(directory: Path, without: Sequence[str] = ()) -> tuple[str, ...]:
    """The guide's command line for vLLM, with the guard, less some flags."""
    flags = (
        ("--tensor-parallel-size", "4"),
        ("--max-model-len", "65536"),
        ("--gpu-memory-utilization", "0.90"),
        ("--enable-chunked-prefill",),
        ("--enable-auto-tool-choice",),
        ("--tool-call-parser", "mistral"),
        ("--reasoning-parser", "mistral"),
        ("--tokenizer-mode", "mistral"),
        ("--config-format", "mistral"),
        ("--load-format", "mistral"),
        ("--served-model-name", MODEL),
        ("--middleware", "clore_guard.Guard"),
    )
    kept = [word for flag in flags if flag[0] not in without for word in flag]
    return ("serve", str(checkpoint(directory)), *kept)


def sglang(directory: Path) -> tuple[str, ...]:
    """The guide's command line for SGLang."""
    return (
        "--model-path", str(checkpoint(directory)), "--tp-size", "4",
        "--tool-call-parser", "mistral", "--reasoning-parser", "mistral",
        "--mem-fraction-static", "0.88", "--context-length", "65536",
        "--served-model-name", MODEL,
    )  # fmt: skip
