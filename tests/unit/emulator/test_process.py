"""The emulator as a real process: readiness, lost connections, kills, and restarts.

Slow: each test starts an interpreter and talks over real sockets.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from support.emulated import FINE_SERVER, order_body

pytestmark = pytest.mark.slow
SOURCES = Path(__file__).parents[3] / "emulator"
TIMEOUT_S = 10


class Process:
    """A running emulator and its ready line."""

    def __init__(self, state: Path, *options: str) -> None:
        command = [
            sys.executable, "-m", "clore_emulator", "serve", "--port", "0", "--hub-port", "0",
            "--state", str(state), "--no-lags", "--time-scale", "1000", *options,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        assert self.process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.key = Path(self.ready["api_key_file"]).read_text(encoding="utf-8").strip()

    def request(
        self, method: str, path: str, body: Any = None, timeout_s: float = TIMEOUT_S
    ) -> Any:
        time.sleep(0.006)  # six virtual seconds: the limits are not what is tested here
        return requests.request(
            method, self.ready["api"] + path, json=body, headers={"auth": self.key},
            timeout=timeout_s,
        )  # fmt: skip

    def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = self.request("GET", "/_admin/ledger").json()
        return ledger

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        code = self.process.wait(timeout=TIMEOUT_S)
        if self.process.stdout:
            self.process.stdout.close()
        return code


@contextmanager
def running(state: Path, *options: str, hosts: bool = False) -> Iterator[Process]:
    process = Process(state, *options, *([] if hosts else ["--no-hosts"]))
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


def test_it_is_ready_with_one_line_and_ends_when_told(tmp_path: Path) -> None:
    with running(tmp_path) as emulator:
        assert set(emulator.ready) >= {"api", "hub", "api_key_file"}
        assert (tmp_path / "api-key").stat().st_mode & 0o777 == 0o600
        answer = emulator.request("GET", "/v1/wallets")
        assert answer.json()["code"] == 0
        assert answer.headers["server"] == "cloudflare"
        assert len(answer.headers["date"].split(",")) == 2, "exactly one date"
        assert emulator.end(signal.SIGTERM) == 0


def test_orders_survive_a_kill_and_time_does_not_go_back(tmp_path: Path) -> None:
    with running(tmp_path) as emulator:
        answer = emulator.request("POST", "/v1/create_order", order_body())
        assert answer.json() == {"code": 0}
        before = emulator.ledger()
        emulator.request("GET", "/v1/wallets")
        emulator.end(signal.SIGKILL)
    with running(tmp_path) as again:
        after = again.ledger()
        assert [order["id"] for order in after["active_orders"]] == [
            order["id"] for order in before["active_orders"]
        ]
        assert after["now"] >= before["now"]
        (row,) = again.request("GET", "/v1/my_orders").json()["orders"]
        assert row["si"] == FINE_SERVER


def test_a_dropped_connection_has_no_answer_and_a_hung_one_none_in_time(tmp_path: Path) -> None:
    with running(tmp_path, "--fault", "accept_then_drop_connection") as emulator:
        with pytest.raises(requests.ConnectionError):
            emulator.request("POST", "/v1/create_order", order_body())
        assert len(emulator.ledger()["active_orders"]) == 1
        emulator.request("POST", "/_admin/faults", {"do": "hang_before_handling", "on": "wallets"})
        with pytest.raises(requests.ReadTimeout):
            emulator.request("GET", "/v1/wallets", timeout_s=0.2)
        assert emulator.request("GET", "/v1/wallets").json()["code"] == 0
        assert emulator.end(signal.SIGTERM) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="finding the sender needs Linux's /proc")
def test_the_kill_hook_finds_who_sent_the_request(tmp_path: Path) -> None:
    with running(tmp_path) as emulator:
        rule = {"do": "kill", "on": "create_order", "phase": "after_commit"}
        emulator.request("POST", "/_admin/faults", rule)
        program = (
            "import json, sys, requests; url, key, body = json.loads(sys.argv[1]); "
            "requests.post(url, json=body, headers={'auth': key}, timeout=10)"
        )
        arguments = [emulator.ready["api"] + "/v1/create_order", emulator.key, order_body()]
        client = subprocess.run(
            [sys.executable, "-c", program, json.dumps(arguments)], timeout=TIMEOUT_S
        )
        assert client.returncode == -signal.SIGKILL
        assert len(emulator.ledger()["active_orders"]) == 1, "killed after the order was made"


def ssh_banner(port: int) -> bytes:
    """The first line that a host's SSH port says, as soon as it says one."""
    give_up = time.monotonic() + TIMEOUT_S
    while time.monotonic() < give_up:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                if said := connection.recv(64):
                    return said
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"nothing answered on port {port} within {TIMEOUT_S} s")


def test_hosts_answer_on_ssh_and_come_back_after_a_kill(tmp_path: Path) -> None:
    with running(tmp_path, hosts=True) as emulator:
        assert emulator.request("POST", "/v1/create_order", order_body()).json() == {"code": 0}
        port = ssh_port(emulator)
        assert ssh_banner(port).startswith(b"SSH-2.0-")
        emulator.end(signal.SIGKILL)
    with running(tmp_path, hosts=True) as again:
        assert ssh_port(again) == port, "the order keeps its ports"
        assert ssh_banner(port).startswith(b"SSH-2.0-")
        (order,) = again.ledger()["active_orders"]
        again.request("POST", "/v1/cancel_order", {"id": order["id"]})
        give_up = time.monotonic() + TIMEOUT_S
        while (tmp_path / "hosts" / str(order["id"])).exists() and time.monotonic() < give_up:
            time.sleep(0.05)
        left = [file for file in (tmp_path / "hosts").iterdir() if file.is_dir()]
        assert left == [], "a cancelled order leaves nothing"
        assert again.end(signal.SIGTERM) == 0


def ssh_port(emulator: Process) -> int:
    give_up = time.monotonic() + TIMEOUT_S
    while time.monotonic() < give_up:
        (row,) = emulator.request("GET", "/v1/my_orders").json()["orders"]
        if row["tcp_ports"]:
            return int(row["tcp_ports"][0].partition(":")[2])
    raise AssertionError("the order got no ports")
