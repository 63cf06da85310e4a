"""A deployment under test on a Docker host: the repository's own program, and a hub for its weights."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Any

import requests

from support.docker_engine import DockerEngine
from support.engine import REPOSITORY, Engine, Project, copy_project
from support.market import Market

IMAGES = {name: f"clore-inference-test/{name}:1" for name in ("vllm", "sglang", "llamacpp")}


class DockerRental(Project):
    """A project with names of its own, whose stack is set for a Docker engine."""

    docker: DockerEngine
    market: Market
    name: str
    port: int

    @classmethod
    def create(
        cls,
        directory: Path,
        engine: Engine,
        docker: DockerEngine,
        market: Market,
        environment_too: dict[str, str] | None = None,
        **settings: str,
    ) -> DockerRental:
        copy_project(directory)
        name = f"clore-test-{secrets.token_hex(4)}"
        text = (directory / "Pulumi.yaml").read_text(encoding="utf-8")
        renamed = text.replace("name: clore-inference\n", f"name: {name}\n", 1)
        (directory / "Pulumi.yaml").write_text(renamed, encoding="utf-8")
        environment = {
            "HF_TOKEN": market.hub_token,
            "PYTHONPATH": str(REPOSITORY / "components"),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
        rental = cls(directory, engine, environment=environment)
        rental.docker, rental.market, rental.name, rental.port = docker, market, name, free_port()
        rental.environment |= environment_too or {}
        rental.create_stack()
        rental.plug()
        wanted = {
            "host": "docker",
            "dockerHost": f"unix://{rental.socket}",
            "dockerGpus": "none",
            "dockerPort": str(rental.port),
            "image": IMAGES["vllm"],
            "hfEndpoint": market.hub,
            "licenseUse": "evaluation",
        }
        rental.configure(**(wanted | settings))
        return rental

    @property
    def container(self) -> str:
        return f"{self.name}-{self.stack}"

    @property
    def volume(self) -> str:
        return f"{self.name}-weights"

    @property
    def socket(self) -> Path:
        """A way of the project's own to the Docker engine's socket, to be taken away."""
        return self.directory / "docker.sock"

    def plug(self) -> None:
        self.socket.symlink_to(self.docker.address.removeprefix("unix://"))

    def unplug(self) -> None:
        self.socket.unlink()

    def ask(self, document: dict[str, Any], *, address: str = "127.0.0.1") -> Any:
        """Send a chat to the endpoint with its key."""
        return requests.post(
            f"http://{address}:{self.port}/v1/chat/completions",
            json=document,
            headers={"Authorization": f"Bearer {self.outputs()['endpointKey']}"},
            timeout=60,
        )

    def close(self) -> None:
        super().close()
        self.docker.forget(self.name)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
