"""TLS that ends on this host: its key, its certificate, and the process that speaks it.

The key is made here and never leaves; the certificate is public, travels to the client over SSH,
whose host key is pinned, and is what the client then trusts: nothing else, and for this name only.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Optional

from . import record
from .environment import base_environment
from .packages import InstallFailed

DAYS = 3650
"""Longer than any order: it is trusted because it is pinned, not because it is young."""
OPENSSL_TIMEOUT_S = 60
AGAIN_S = 2.0
"""Real seconds between two starts of a door that has ended."""
END_S = 5.0


def certificate(names: list[str]) -> Path:
    """This host's certificate for those names, made once; raises InstallFailed."""
    folder = record.home() / "tls" / _short(names)
    found = folder / "certificate.pem"
    if found.exists() and (folder / "key.pem").exists():
        return found
    openssl = shutil.which("openssl", path=base_environment()["PATH"])
    if not openssl:
        raise InstallFailed("no_openssl", "this host has no openssl to make its TLS key with")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"draft.{os.getpid()}"
    made = subprocess.run(
        [
            openssl, "req", "-x509", "-nodes", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:prime256v1", "-sha256", "-days", str(DAYS),
            "-subj", "/CN=clore-inference host", "-keyout", str(folder / "key.pem"),
            "-out", str(draft),
            "-addext", f"subjectAltName={','.join(map(_alternative, names))}",
            "-addext", "keyUsage=critical,digitalSignature,keyCertSign",
            "-addext", "extendedKeyUsage=serverAuth",
        ],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=OPENSSL_TIMEOUT_S,
    )  # fmt: skip
    if made.returncode != 0:
        last = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InstallFailed("no_openssl", f"openssl made no certificate: {last}")
    draft.replace(found)
    return found


def _short(names: list[str]) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:12]


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


class TlsDoor:
    """The process in front of the guard, for as long as its engine's runner lives."""

    def __init__(self, job: dict[str, Any], folder: Path) -> None:
        self._folder = folder
        self._port = int(job["tls_port"])
        self._to = int(job["port"])
        self._certificate = certificate([str(name) for name in job["tls_names"]])
        self._process: Optional[subprocess.Popen[bytes]] = None  # noqa: UP045 - Python 3.9
        self._started_at = 0.0

    @property
    def pem(self) -> str:
        """The certificate, which is public."""
        return self._certificate.read_text(encoding="ascii")

    def keep(self) -> None:
        """Start the door, or start it again where it has ended."""
        if self._process is not None and self._process.poll() is None:
            return
        if time.monotonic() - self._started_at < AGAIN_S:
            return
        self._started_at = time.monotonic()
        loopback = os.environ.get("CLORE_INFERENCE_LOOPBACK", "127.0.0.1")
        settings = {
            "listen": f"0.0.0.0:{self._port}",
            "to": f"{loopback}:{self._to}",
            "certificate": str(self._certificate),
            "key": str(self._certificate.with_name("key.pem")),
        }
        record.write_json(self._folder / "tls.json", settings)
        environment = base_environment()
        serving = str(record.home() / "serving")
        environment["PYTHONPATH"] = ":".join(filter(None, (serving, environment.get("PYTHONPATH"))))
        with (self._folder / "tls.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["python3", "-m", "clore_tls", str(self._folder / "tls.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def end(self) -> None:
        """End the door; the streams through it have had their time."""
        if self._process is None:
            return
        record.send(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            record.kill_session(self._process.pid)
        self._process = None
