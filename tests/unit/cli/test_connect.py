"""`clore-inference connect` as a process; tests/unit/serving runs the guide's examples through it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from support.connect import connected
from support.endpoint import KEY, Endpoint, serving
from support.engine import REPOSITORY

pytestmark = pytest.mark.slow  # a process of its own


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
