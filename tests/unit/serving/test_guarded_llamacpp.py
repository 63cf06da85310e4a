"""llama-server behind the proxy passes the proof, and both processes end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from clore_inference.probe.conformance import conformance
from clore_inference.probe.target import Target
from clore_inference.secret import Secret
from support.box import free_port, wait_for
from support.emulated_engine import fill_cache
from support.endpoint import KEY, MODEL
from support.simulated import ENGINE_KEY, prepare

pytestmark = pytest.mark.slow  # two processes that load
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


def test_llama_server_behind_the_proxy_is_conformant_and_ends_with_it(tmp_path: Path) -> None:
    with served(tmp_path) as (process, address, inner):
        wait_for(lambda: healthy(address), "the endpoint never became healthy")
        report = conformance(Target(base_url=address, key=Secret(KEY), model=MODEL))
        assert report.passed, "\n".join(report.lines())
        engines_own = {"Authorization": f"Bearer {ENGINE_KEY}"}
        refused = requests.get(address + "/v1/models", headers=engines_own, timeout=5)
        assert refused.status_code == 401, "the engine's private key opens nothing at the door"
        bare = requests.get(inner + "/v1/models", timeout=5)
        assert bare.status_code == 401, "the engine wants its key on the loopback as well"
        (engine,) = psutil.Process(process.pid).children()
        process.terminate()
        assert process.wait(20) == 0
        assert not engine.is_running()


def test_the_proxy_ends_as_its_engine_ended(tmp_path: Path) -> None:
    with served(tmp_path) as (process, address, _):
        wait_for(lambda: healthy(address), "the endpoint never became healthy")
        started = time.monotonic()
        (engine,) = psutil.Process(process.pid).children()
        engine.kill()
        assert process.wait(20) == -signal.SIGKILL
        assert time.monotonic() - started < 5
