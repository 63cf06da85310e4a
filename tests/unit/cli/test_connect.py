"""`clore-inference connect` as a process: the guide's curl examples run against it as they stand."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from support.endpoint import KEY, Endpoint, serving
from support.engine import REPOSITORY

pytestmark = pytest.mark.slow  # a process of its own

CURL_DEEP = """curl http://localhost:8000/v1/chat/completions \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "mistral-medium-3.5",
    "messages": [
      {"role": "user", "content": "A user reports our payment webhook fires twice for 1% of orders. Walk through the most likely root causes in order of probability and propose a diagnostic plan."}
    ],
    "temperature": 0.7,
    "top_p": 0.95,
    "max_tokens": 4096,
    "extra_body": {"reasoning_mode": "deep"}
  }'
"""
"""https://docs.clore.ai/guides/language-models/mistral-medium-35, usage example 2."""


@contextmanager
def connected(url: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "clore_inference.cli.main", "connect", url, "-p", "0", *options],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY / "components"),
            "CLORE_ENDPOINT_KEY": KEY,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        said = process.stderr.readline()
        found = re.match(r"http://localhost:(\d+) is mistral-medium-3\.5", said)
        assert found, said
        yield process, int(found[1])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: apt install curl")
def test_the_guides_curl_example_runs_as_it_stands() -> None:
    with serving(Endpoint()) as endpoint, connected(endpoint.url) as (_, port):
        text = CURL_DEEP.replace("localhost:8000", f"localhost:{port}")
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=30)
    answer = json.loads(done.stdout)
    assert answer["choices"][0]["message"]["reasoning_content"]


def test_a_foreign_key_is_replaced_and_streams_pass() -> None:
    with serving(Endpoint()) as endpoint, connected(endpoint.url) as (_, port):
        answer = requests.post(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            json={"stream": True},
            headers={"Authorization": "Bearer not-needed"},
            timeout=10,
        )
    assert answer.text.endswith("data: [DONE]\n\n")


def test_ctrl_c_ends_it_at_once_and_quietly() -> None:
    with serving(Endpoint()) as endpoint, connected(endpoint.url) as (process, _):
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Closed; the endpoint itself runs on" in said
    assert "Traceback" not in said
    assert KEY not in said


def test_a_taken_port_is_a_message_with_the_next_one(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    with serving(Endpoint()) as endpoint:
        port = endpoint.url.rpartition(":")[2]
        done = subprocess.run(
            [
                sys.executable, "-m", "clore_inference.cli.main", "connect", endpoint.url,
                "-p", port, "--key-file", str(key),
            ],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY / "components")},
            capture_output=True,
            text=True,
            timeout=30,
        )  # fmt: skip
    assert done.returncode == 2
    assert f"--port {int(port) + 1}" in done.stderr
