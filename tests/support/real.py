"""Real engines on emulated hosts: a deployment that many claims are made about."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from clore_inference.secret import Secret
from clore_inference.serving import ops_key
from support.engine import Engine, Result
from support.market import Market
from support.rental import Rental

VARIABLE: Final = "CLORE_INFERENCE_REAL_ENGINES"
needs_real_engines = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.skipif(
        not os.environ.get(VARIABLE),
        reason="needs real vLLM and llama-server (7 GB, ten minutes once): run `make real-engines`",
    ),
]
MODEL: Final = "mistral-medium-3.5"
TIME_SCALE: Final = 3.0
"""Marketplace seconds in a real one: a real engine loads in real time, and has to be waited for."""
UP_WITHIN_S: Final = 900.0
IDLE_WITHIN_S: Final = 30.0
COUNTERS: Final = {
    "vllm": ("vllm:generation_tokens_total", "vllm:prompt_tokens_total"),
    "llamacpp": ("llamacpp:tokens_predicted_total", "llamacpp:prompt_tokens_total"),
}
RUNNING: Final = {
    "vllm": ("vllm:num_requests_running", "vllm:num_requests_waiting"),
    "llamacpp": ("llamacpp:requests_processing", "llamacpp:requests_deferred"),
}


def engines() -> Path:
    """The directory of `make real-engines`."""
    return Path(os.environ[VARIABLE])


@dataclass
class Endpoint:
    """A guarded real engine: its address, the caller's key, the operator's key."""

    engine: str
    url: str
    key: str
    ops: str

    def chat(self, text: str = "Say hello.", **fields: Any) -> requests.Response:
        """Ask one question with the caller's key."""
        document = {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}
        return requests.post(
            f"{self.url}/v1/chat/completions",
            json=document,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=120,
            stream=bool(fields.get("stream")),
        )

    def metrics(self) -> str:
        """The engine's own counters, as the operator reads them."""
        answer = requests.get(
            f"{self.url}/metrics", headers={"Authorization": f"Bearer {self.ops}"}, timeout=60
        )
        assert answer.status_code == 200, answer.text
        return answer.text

    def tokens(self) -> float:
        """How many tokens the engine has read and written so far."""
        return _sum(self.metrics(), COUNTERS[self.engine])

    def running(self) -> float:
        """How many requests the engine is working on, or will be."""
        return _sum(self.metrics(), RUNNING[self.engine])

    def becomes_idle(self) -> bool:
        """Whether nothing is left at work within the bound."""
        until = time.monotonic() + IDLE_WITHIN_S
        while self.running():
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True


def _sum(metrics: str, names: tuple[str, ...]) -> float:
    rows = [
        re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$", metrics, re.MULTILINE)
        for name in names
    ]
    assert rows[0], f"the engine has no counter {names[0]}"
    return sum(float(value) for found in rows for value in found)


@dataclass
class Deployed:
    """A stack that is up with a real engine."""

    engine: str
    market: Market
    rental: Rental

    @property
    def endpoint(self) -> Endpoint:
        known = self.rental.outputs()
        ops = ops_key(Secret(str(known["ssh"]["privateKey"]))).reveal()
        url, key = str(known["endpoint"]), str(known["endpointKey"])
        return Endpoint(self.engine, url, key, ops)

    def up(self) -> Result:
        """`pulumi up`, as long as a real engine takes."""
        return self.rental.start("up", "--yes", "--skip-preview").finish(UP_WITHIN_S)


@contextmanager
def deployed(directory: Path, ours: Engine, engine: str, **settings: str) -> Iterator[Deployed]:
    """Bring a real engine up on an emulated host; destroyed with the block."""
    market = Market.start(
        directory / "market",
        "--liars", "none",
        "--engines", str(engines()),
        time_scale=TIME_SCALE,
    )  # fmt: skip
    try:
        rental = Rental.create(directory / "rental", ours, market)
        rental.configure(engine=engine, timeScale=f"{TIME_SCALE:g}", **settings)
        found = Deployed(engine, market, rental)
        result = found.up()
        assert result.code == 0, result.text
        yield found
        assert rental.destroy().code == 0
        assert market.active_orders() == []
        rental.close()
    finally:
        market.stop()


@contextmanager
def connected(rental: Rental) -> Iterator[str]:
    """`clore-inference connect` for the stack; yields its local address."""
    command = [sys.executable, "-m", "clore_inference.cli.main", "connect", "-p", "0"]
    process = subprocess.Popen(
        [*command, "--stack", rental.stack],
        cwd=rental.directory,
        env=rental.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        said: list[str] = []
        found = None
        while found is None:
            said.append(process.stderr.readline())
            assert said[-1], "".join(said)
            found = re.match(r"(http://localhost:\d+) is ", said[-1])
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)
