"""The emulated marketplace in tests: a process of its own, judged by its own ledger.

market = Market.start(directory)
market.arm("accept_then_drop_connection", on="create_order")
assert market.active_orders() == []
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from support.engine import REPOSITORY

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 20.0
TIME_SCALE = 60.0
"""Marketplace seconds in a real one: a settle window of a minute takes a second."""


@dataclass
class Market:
    """A running emulator."""

    process: subprocess.Popen[str]
    api: str
    hub: str
    key: str
    hub_token: str
    directory: Path

    @classmethod
    def start(cls, directory: Path, *options: str, time_scale: float = TIME_SCALE) -> Market:
        directory.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-m", "clore_emulator", "serve", "--port", "0", "--hub-port", "0",
            "--state", str(directory), "--time-scale", str(time_scale), *options,
        ]  # fmt: skip
        paths = [str(REPOSITORY / "emulator"), str(REPOSITORY / "components")]
        with (directory / "emulator.log").open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            )
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], READY_WITHIN_S)
        line = process.stdout.readline() if ready else ""
        assert line, (directory / "emulator.log").read_text(encoding="utf-8")
        said = json.loads(line)
        token = f"hf_{secrets.token_hex(17)}"
        opened = requests.put(f"{said['hub']}/_admin/hub/tokens", json={token: ["*"]}, timeout=30)
        assert opened.ok, opened.text
        return cls(
            process=process,
            api=said["api"],
            hub=said["hub"],
            key=Path(said["api_key_file"]).read_text(encoding="utf-8").strip(),
            hub_token=token,
            directory=directory,
        )

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(STOP_WITHIN_S)
        if self.process.stdout:
            self.process.stdout.close()

    def admin(self, method: str, path: str, body: list[Any] | None = None, **document: Any) -> Any:
        url, sent = f"{self.api}/_admin{path}", document if body is None else body
        answer = requests.request(method, url, json=sent if method == "POST" else None, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def ledger(self, *, requests_too: bool = False) -> dict[str, Any]:
        return dict(self.admin("GET", "/ledger?requests=1" if requests_too else "/ledger"))

    def active_orders(self) -> list[dict[str, Any]]:
        return list(self.ledger()["active_orders"])

    def orders(self) -> list[dict[str, Any]]:
        return list(self.ledger()["orders"])

    def arm(self, fault: str, **rule: Any) -> Any:
        return self.admin("POST", "/faults", do=fault, **rule)

    def disarm(self) -> None:
        self.admin("DELETE", "/faults")

    def fetched(self) -> dict[str, Any]:
        """What the hub has served, by file."""
        return dict(requests.get(f"{self.hub}/_admin/hub", timeout=30).json())

    def engine_faults(self, order_id: int, *faults: str) -> None:
        """Let the engine of a host fail in these ways, and no others; see docs/emulator-engines.md."""
        self.admin("POST", f"/hosts/{order_id}/engine_faults", list(faults))

    def environment(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {
            "CLORE_API_KEY": self.key,
            "HF_TOKEN": self.hub_token,
            "XDG_STATE_HOME": str(self.directory / "client"),
        }


def wait_until(claim: Callable[[], bool], *, within_s: float, because: str) -> None:
    """Poll for something that another process does; fails with the reason after the bound."""
    until = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < until, because
        time.sleep(0.05)
