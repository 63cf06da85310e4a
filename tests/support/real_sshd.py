"""OpenSSH's own server and agent on the loopback, as a Docker host of one's own has them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READY_WITHIN_S: Final = 20.0
HOW_TO_GET: Final = (
    "OpenSSH's server is not here, or we are not root: `apt-get install openssh-server`"
)


@dataclass(frozen=True)
class Sshd:
    """A running server: where it is, what key it shows, and the agent that may log in."""

    port: int
    host_key: str
    agent: str


def _can() -> bool:
    return os.geteuid() == 0 and all(map(shutil.which, ("sshd", "ssh-agent", "ssh-keygen")))


@contextmanager
def a_real_sshd(directory: Path, environment: dict[str, str]) -> Iterator[Sshd | None]:
    """A server whose sessions have this environment; None where there can be none."""
    if not _can():
        yield None
        return
    Path("/run/sshd").mkdir(exist_ok=True)  # the server's own demand
    directory.mkdir(mode=0o700)
    for name in ("host", "user"):
        words = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "",
            "-f",
            str(directory / name),
        ]
        subprocess.run(words, check=True)
    port = _free_port()
    with (directory / "log").open("w") as log:
        server = subprocess.Popen(
            [str(shutil.which("sshd")), "-D", "-e", "-f", _settings(directory, port, environment)],
            stderr=log,
        )
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(directory / "agent")], stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        subprocess.run(
            ["ssh-add", "-q", str(directory / "user")],
            env={**os.environ, "SSH_AUTH_SOCK": str(directory / "agent")},
            check=True,
        )
        key = (directory / "host.pub").read_text(encoding="ascii").strip()
        yield Sshd(port, " ".join(key.split()[:2]), str(directory / "agent"))
    finally:
        for process in (server, agent):
            process.send_signal(signal.SIGTERM)
            process.wait(READY_WITHIN_S)


def _settings(directory: Path, port: int, environment: dict[str, str]) -> Path:
    given = " ".join(f"{name}={value}" for name, value in environment.items())
    path = directory / "sshd_config"
    path.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nPidFile none\n"
        f"AuthorizedKeysFile {directory}/user.pub\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nPermitRootLogin yes\nSetEnv {given}\n",
        encoding="utf-8",
    )
    return path


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            assert time.monotonic() < until, "the SSH server did not come up"
            time.sleep(0.05)
