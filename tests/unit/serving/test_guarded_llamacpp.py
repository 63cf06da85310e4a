"""llama-server behind the proxy passes the proof, and both processes end together."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil
import pytest
import requests

from clore_inference.probe.conformance import conformance
from clore_inference.probe.target import Target
from clore_inference.secret import Secret
from support.box import wait_for
from support.endpoint import KEY, MODEL
from support.llama import healthy, served
from support.simulated import ENGINE_KEY

pytestmark = pytest.mark.slow  # two processes that load


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
