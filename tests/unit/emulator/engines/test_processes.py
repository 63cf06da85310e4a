"""The engines as processes: their command lines, their logs, their ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from support.emulated_engine import (
    GUIDE_SGLANG,
    GUIDE_VLLM,
    KEY,
    MODEL,
    REPOSITORY,
    Running,
    ask,
    fails,
    fill_cache,
    host,
    running,
)

pytestmark = pytest.mark.slow  # every test starts a process

VLLM = ("clore_emulator.engines.vllm", "serve", REPOSITORY, *GUIDE_VLLM)
SGLANG = ("sglang.launch_server", *GUIDE_SGLANG)
LLAMA = "clore_emulator.engines.llama_server"


def llama(root: Path) -> tuple[str, ...]:
    folder = fill_cache(root, "unsloth/Mistral-Medium-3.5-128B-GGUF")
    file = folder / "Mistral-Medium-3.5-128B-Q4_K_M.gguf"
    return (LLAMA, "-m", str(file), "-c", "32768", "-ctk", "q8_0", "-ctv", "q8_0", "--alias", MODEL)


def test_the_guides_vllm_command_loads_and_answers(tmp_path: Path) -> None:
    with running(host(tmp_path), VLLM, VLLM_API_KEY=KEY) as engine:
        engine.wait_ready()
        assert engine.get("/v1/models")[0] == 401
        status, models = engine.get("/v1/models", KEY)
        assert (status, models["data"][0]["id"]) == (200, MODEL)
        assert engine.get("/version")[1] == {"version": "0.33.0"}
        status, answer = engine.get("/v1/chat/completions", KEY, ask(reasoning_effort="high"))
        assert answer["choices"][0]["message"]["reasoning"]
        log = engine.log.read_text()
    for line in (
        "Loading safetensors checkpoint shards:  25% Completed | 1/4",
        "Loading weights took 53.44 seconds",
        "Model loading took 31.11 GiB memory",
        "GPU KV cache size: 435,808 tokens, Maximum concurrency for 65,536 tokens",
        "Application startup complete.",
    ):
        assert line in log, f"{line!r} is what people look for in the log"


def test_vllm_refuses_connections_until_it_is_ready(tmp_path: Path) -> None:
    with running(host(tmp_path), VLLM, CLORE_EMULATOR_TIME_SCALE="60") as engine:
        wait_for(engine, "Starting to load model")
        assert engine.get("/health")[0] == 0, "refused, not 503"
        engine.wait_ready()


def test_a_taken_port_is_found_before_anything_loads(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, text = fails(host(tmp_path), *VLLM, "--port", port)
    assert (code, "Address already in use" in text) == (1, True)
    assert "Starting to load model" not in text


def wait_for(engine: Running, line: str) -> None:
    deadline = time.monotonic() + 20
    while line not in engine.log.read_text():
        over = engine.process.poll() is not None or time.monotonic() > deadline
        assert not over, engine.log.read_text()
        time.sleep(0.02)


def test_the_guides_sglang_command_loads_and_answers(tmp_path: Path) -> None:
    with running(host(tmp_path), (*SGLANG, "--api-key", KEY, "--enable-metrics")) as engine:
        engine.wait_ready()
        assert engine.get("/v1/models")[0] == 401
        assert engine.get("/metrics")[0] == 200, "open even with a key"
        assert engine.get("/model_info", KEY)[1]["model_path"] == REPOSITORY
        answer = engine.get("/v1/chat/completions", KEY, ask(reasoning_effort="high"))[1]
        assert answer["choices"][0]["message"]["reasoning_content"]
        log = engine.log.read_text()
    assert "The server is fired up and ready to roll!" in log
    assert "POST /generate" in log, "the warm-up is a request of its own"


def test_sglangs_warm_up_ends_the_process_when_a_door_refuses_it(tmp_path: Path) -> None:
    launcher = tmp_path / "closed_launcher.py"
    launcher.write_text(
        "import sys\n"
        "from sglang.srt.entrypoints.http_server import app, launch_server\n"
        "from sglang.srt.server_args import prepare_server_args\n"
        "build = app.build_middleware_stack\n"
        "async def closed(scope, receive, send):\n"
        "    if scope['type'] != 'http':\n"
        "        return await inner(scope, receive, send)\n"
        "    await send({'type': 'http.response.start', 'status': 404, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b''})\n"
        "inner = None\n"
        "def wrapped():\n"
        "    global inner\n"
        "    inner = build()\n"
        "    return closed\n"
        "app.build_middleware_stack = wrapped\n"
        "launch_server(prepare_server_args(sys.argv[1:]))\n"
    )
    made = host(tmp_path)
    made.environment["PYTHONPATH"] += f":{tmp_path}"
    with running(made, ("closed_launcher", *GUIDE_SGLANG)) as engine:
        assert engine.process.wait(20) == -signal.SIGKILL
        assert "warmup error" in engine.log.read_text()
    with running(made, ("closed_launcher", *GUIDE_SGLANG, "--skip-server-warmup")) as engine:
        wait_for(engine, "fired up")
        assert engine.get("/health")[0] == 404, "the wrapped stack answers everything"


def test_llama_server_answers_503_while_it_loads(tmp_path: Path) -> None:
    made = host(tmp_path, gpus=1, filled=False)
    command = (*llama(tmp_path), "--api-key", KEY)
    with running(made, command, CLORE_EMULATOR_TIME_SCALE="15") as engine:
        wait_for(engine, "Application startup complete.")
        status, answer = engine.get("/health")
        assert (status, answer["error"]["message"]) == (503, "Loading model")
        engine.wait_ready()
        assert engine.get("/v1/models")[0] == 401
        answer = engine.get("/v1/chat/completions", KEY, ask(reasoning_effort="high"))[1]
        assert answer["choices"][0]["message"]["reasoning_content"]


def test_llama_server_runs_out_of_memory_with_an_f16_cache(tmp_path: Path) -> None:
    made = host(tmp_path, gpus=1, filled=False)
    command = [*llama(tmp_path), "-ctk", "f16", "-ctv", "f16", "--port", "0"]
    code, text = fails(made, *command)
    assert code == 1
    assert "out of memory" in text, "82.3 GiB do not fit one H100"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--max-model-len", "262144", "--gpu-memory-utilization", "0.6"), "To serve at least one"),
        (("--tensor-parallel-size", "8"), "World size (8) is larger than the number of available"),
        (("--tensor-parallel-size", "3"), "AssertionError"),
        (("--tensor-parallel-size", "1"), "CUDA out of memory"),
        (("--tool-call-parser", "nope"), "invalid tool call parser: nope"),
        (("--middleware", "no_such_module.Guard"), "No module named 'no_such_module'"),
    ],
)
def test_vllm_ends_with_1_and_says_why_last(
    tmp_path: Path, words: tuple[str, ...], text: str
) -> None:
    code, printed = fails(host(tmp_path), *VLLM, *words, "--port", "0")
    assert code == 1
    assert text in printed


def test_vllm_without_weights_offline_says_so(tmp_path: Path) -> None:
    code, printed = fails(host(tmp_path, filled=False), *VLLM, "--port", "0")
    assert (code, "outgoing traffic has been disabled" in printed) == (1, True)


def test_vllm_without_gpus_does_not_start(tmp_path: Path) -> None:
    code, printed = fails(host(tmp_path, gpus=0), *VLLM, "--port", "0")
    assert (code, "Failed to infer device type" in printed) == (1, True)


def test_sglang_says_when_memory_is_short(tmp_path: Path) -> None:
    code, printed = fails(host(tmp_path), *SGLANG, "--mem-fraction-static", "0.3", "--port", "0")
    assert (code, "Please try to increase --mem-fraction-static" in printed) == (1, True)


def test_the_version_is_what_the_environment_says(tmp_path: Path) -> None:
    made = host(tmp_path, filled=False)
    vllm = fails(
        made, "clore_emulator.engines.vllm", "--version", CLORE_EMULATOR_VLLM_VERSION="0.9"
    )
    assert vllm == (0, "0.9\n")
    assert "version: 11434" in fails(made, LLAMA, "--version")[1]


@pytest.mark.parametrize("command", [VLLM, SGLANG], ids=["vllm", "sglang"])
def test_sigterm_ends_a_serving_engine_with_0(tmp_path: Path, command: tuple[str, ...]) -> None:
    with running(host(tmp_path), command) as engine:
        engine.wait_ready()
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(10) == 0


def test_crashes_at_load_and_dies_after(tmp_path: Path) -> None:
    made = host(tmp_path)
    made.faults.write_text('["crashes_at_load"]')
    code, printed = fails(made, *VLLM, "--port", "0")
    assert (code, "CUDA out of memory" in printed) == (1, True)
    assert "Engine core initialization failed" in printed
    made.faults.write_text(json.dumps([{"name": "dies_after", "seconds": 1}]))
    with running(made, VLLM) as engine:
        assert engine.process.wait(20) == 1
        assert "died unexpectedly" in engine.log.read_text()


def test_a_crash_on_a_request_ends_the_process_after_its_answer(tmp_path: Path) -> None:
    made = host(tmp_path)
    with running(made, VLLM) as engine:
        engine.wait_ready()
        made.faults.write_text('["crashes_on_request"]')
        assert engine.get("/v1/chat/completions", None, ask())[0] == 500
        assert engine.process.wait(10) == 1


def test_hangs_while_loading_until_it_is_ended(tmp_path: Path) -> None:
    made = host(tmp_path)
    made.faults.write_text('["hangs_while_loading"]')
    with running(made, VLLM) as engine:
        wait_for(engine, "Starting to load model")
        assert engine.process.poll() is None
        assert "Loading weights" not in engine.log.read_text()
        os.kill(engine.process.pid, signal.SIGTERM)
        assert engine.process.wait(5) == -signal.SIGTERM
