"""A real Docker engine for tests: the one that runs here, else one of our own with its own data.

Nothing of the user's is touched: projects under test have names of their own, and so have their
containers and volumes.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from support import docker_image

SOCKET: Final = "unix:///var/run/docker.sock"
READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 60.0
IMAGE: Final = "clore-inference-test/simulators"
HOW_TO_GET: Final = (
    "there is no Docker engine here: start one, or, as root, install the package docker.io with "
    "iptables (`apt-get install docker.io iptables`), and the tests start one of their own"
)


@dataclass(frozen=True)
class DockerEngine:
    """A running Docker engine with the image of the simulators."""

    address: str

    def run(self, *words: str, check: bool = True, given: bytes | None = None) -> str:
        """Run the Docker CLI; what it printed."""
        done = subprocess.run(
            ["docker", "-H", self.address, *words], input=given, capture_output=True, timeout=300
        )
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode() if done.returncode == 0 else done.stderr.decode()

    def inspect(self, name: str) -> dict[str, Any]:
        """What Docker tells of a container; empty if there is none."""
        found = self.run("inspect", name, check=False)
        return dict(json.loads(found)[0]) if found.startswith("[") and found.strip() != "[]" else {}

    def containers(self, project: str) -> list[str]:
        """Names of a project's containers, stopped ones too."""
        found = self.run(
            "ps", "--all", "--filter", f"label=clore-inference={project}", "--format", "{{.Names}}"
        )
        return found.split()

    def forget(self, project: str) -> None:
        """Remove what a project has left."""
        for name in self.containers(project):
            self.run("rm", "--force", name, check=False)
        self.run("volume", "rm", "--force", f"{project}-weights", check=False)

    def bring_image(self, *names: str) -> None:
        """Give the simulators' image these names; it is made where it is not there yet."""
        wanted = docker_image.files()
        made = f"{IMAGE}:{docker_image.fingerprint(wanted)}"
        if not self.run("images", "--quiet", made).strip():
            changes = [
                word
                for name, text in docker_image.environment().items()
                for word in ("--change", f"ENV {name}={text}")
            ]
            self.run("import", *changes, "-", made, given=docker_image.root_file_system(wanted))
        for name in names:
            self.run("tag", made, name)


@contextmanager
def a_docker_engine() -> Iterator[DockerEngine | None]:
    """The Docker engine of this machine, else one of our own; None where there can be none."""
    if not shutil.which("docker"):
        yield None
        return
    here = DockerEngine(os.environ.get("DOCKER_HOST") or SOCKET)
    if subprocess.run(["docker", "-H", here.address, "info"], capture_output=True).returncode == 0:
        yield here
        return
    if os.geteuid() != 0 or not shutil.which("dockerd") or not shutil.which("iptables"):
        yield None
        return
    with _our_own() as engine:
        yield engine


@contextmanager
def _our_own() -> Iterator[DockerEngine | None]:
    """A Docker engine whose data outlive it, so that the image is made once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "clore-inference" / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock, (folder / "log").open("w") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        address = f"unix://{folder}/docker.sock"
        words = ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        process = subprocess.Popen(
            ["dockerd", *words, "--pidfile", f"{folder}/pid", "-H", address],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            engine = DockerEngine(address)
            yield engine if _answers(engine, process) else None
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_WITHIN_S)


def _answers(engine: DockerEngine, process: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        done = subprocess.run(["docker", "-H", engine.address, "info"], capture_output=True)
        if done.returncode == 0:
            return True
        time.sleep(0.2)
    return False
