"""The llama-server simulator behind our proxy, as two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from support.box import free_port, wait_for
from support.emulated_engine import fill_cache
from support.endpoint import MODEL
from support.simulated import ENGINE_KEY, prepare

GGUF = "unsloth/Mistral-Medium-3.5-128B-GGUF"


@contextmanager
def served(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """The proxy's process, its address, and the engine's own; they are ended with the block."""
    environment = prepare(directory)
    program = directory / "bin" / "llama-server"
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} -m clore_emulator.engines.llama_server "$@"\n'
    )
    program.chmod(0o755)
    door, inner = free_port(), free_port()
    environment |= {
        "LLAMA_API_KEY": ENGINE_KEY,
        "CLORE_INFERENCE_LISTEN": f"127.0.0.1:{door}",
        "CLORE_EMULATOR_BIND": "127.0.0.1",
    }
    model = fill_cache(directory, GGUF) / "Mistral-Medium-3.5-128B-Q4_K_M.gguf"
    flags = f"-c 32768 -ctk q8_0 -ctv q8_0 -fa on --jinja --host 127.0.0.1 --port {inner}".split()
    line = ["llama-server", "-m", str(model), "--alias", MODEL, *flags]
    log = directory / "engine.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "clore_llamacpp", *line],
            env=environment, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    try:
        yield process, f"http://127.0.0.1:{door}", f"http://127.0.0.1:{inner}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        print(log.read_text()[-2000:])


def healthy(address: str) -> bool:
    try:
        return requests.get(address + "/health", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


@contextmanager
def guarded_llama(directory: Path) -> Iterator[str]:
    """The address of a guarded llama-server that is healthy."""
    with served(directory) as (_, address, _):
        wait_for(lambda: healthy(address), "the endpoint never became healthy")
        yield address
