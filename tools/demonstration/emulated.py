"""The emulated marketplace of the demonstration: started once, used again, stopped by `make down`."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ground import Ground, write_private

PORT: Final = 8650
HUB_PORT: Final = 8651
TIME_SCALE: Final = 60
"""Marketplace seconds in one real second."""

SEED: Final = 0
READY_WITHIN_S: Final = 60.0
ENDS_WITHIN_S: Final = 15.0
ANSWERS_WITHIN_S: Final = 5.0
LAST_LINES: Final = 10


class EmulatorError(Exception):
    """The emulator does not run; the text says why, and what to do."""


@dataclass(frozen=True)
class Emulator:
    """A running emulator."""

    api: str
    hub: str
    pid: int
    time_scale: float
    api_key_file: Path
    hub_token_file: Path

    def ledger(self) -> dict[str, Any]:
        """Return what the judge says: orders, money, requests (docs/emulator.md)."""
        return dict(_ask("GET", f"{self.api}/_admin/ledger"))

    def secrets(self) -> dict[str, str]:
        """Return the keys of the emulated accounts, as the environment has them."""
        files = {"CLORE_API_KEY": self.api_key_file, "HF_TOKEN": self.hub_token_file}
        return {name: file.read_text(encoding="utf-8").strip() for name, file in files.items()}

    def admit(self) -> None:
        """Let the token open every gated repository of the hub, which keeps tokens in memory."""
        token = self.hub_token_file.read_text(encoding="utf-8").strip()
        _ask("PUT", f"{self.hub}/_admin/hub/tokens", {token: ["*"]})


def running(ground: Ground) -> Emulator | None:
    """Return the emulator if it runs and answers."""
    try:
        found = _said(ground)
        os.kill(found.pid, 0)
        found.ledger()
    except (OSError, ValueError, KeyError):
        return None
    return found


def start(ground: Ground) -> tuple[Emulator, bool]:
    """Return the running emulator, and whether it had to be started; its ledger is kept."""
    if not ground.hub_token.exists():
        write_private(ground.hub_token, f"hf_{secrets.token_hex(17)}")
    if running(ground):
        return _admitted(ground), False
    ports = _ports(ground)
    write_private(ground.emulator_log, "")
    process = _launch(ground, ports)
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        ready = _first_line(ground.emulator_log)
        if ready:
            write_private(ground.emulator_ready, ready)
            return _admitted(ground), True
        time.sleep(0.05)
    said = ground.emulator_log.read_text(encoding="utf-8").splitlines()[-LAST_LINES:]
    raise EmulatorError(
        "The emulated marketplace did not start:\n  " + "\n  ".join(said) + "\nNothing was bought."
        f" Its log is {ground.emulator_log}; `make down` and `make up` try again."
    )


def stop(emulator: Emulator) -> None:
    """End the emulator and its hosts; the ledger stays on disk."""
    os.kill(emulator.pid, signal.SIGTERM)
    deadline = time.monotonic() + ENDS_WITHIN_S
    while _alive(emulator.pid):
        if time.monotonic() > deadline:
            os.kill(emulator.pid, signal.SIGKILL)
            return
        time.sleep(0.05)


def _launch(ground: Ground, ports: tuple[int, int]) -> subprocess.Popen[bytes]:
    words = ["--state", str(ground.emulator), "--seed", str(SEED)]
    words += ["--port", str(ports[0]), "--hub-port", str(ports[1])]
    program = [sys.executable, "-m", "clore_emulator.cli", "serve"]
    with ground.emulator_log.open("ab") as log:
        return subprocess.Popen(
            [*program, *words, "--time-scale", str(TIME_SCALE)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _ports(ground: Ground) -> tuple[int, int]:
    """Return the ports of the last time, so that addresses in state stay true, or usual, or free ones."""
    last = (PORT, HUB_PORT)
    with contextlib.suppress(OSError, ValueError, KeyError):
        said = _said(ground)
        last = (int(said.api.rsplit(":", 1)[1]), int(said.hub.rsplit(":", 1)[1]))
    first, second = (port if _is_free(port) else 0 for port in last)
    return first, second


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _first_line(log: Path) -> str | None:
    """Return the emulator's line of JSON once it is complete."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return next((line for line in lines if line.startswith("{") and line.endswith("\n")), None)


def _said(ground: Ground) -> Emulator:
    """Return what the emulator said last; OSError, ValueError or KeyError if it never did."""
    said = json.loads(ground.emulator_ready.read_text(encoding="utf-8"))
    return Emulator(
        api=str(said["api"]),
        hub=str(said["hub"]),
        pid=int(said["pid"]),
        time_scale=float(said["time_scale"]),
        api_key_file=Path(said["api_key_file"]),
        hub_token_file=ground.hub_token,
    )


def _admitted(ground: Ground) -> Emulator:
    emulator = _said(ground)
    emulator.admit()
    return emulator


def _ask(method: str, url: str, document: object = None) -> Any:
    body = None if document is None else json.dumps(document).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=ANSWERS_WITHIN_S) as answer:  # noqa: S310
        return json.load(answer)


def _alive(pid: int) -> bool:
    """Whether the process runs; one that is our child and has ended is collected."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
