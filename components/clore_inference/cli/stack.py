"""A stack's outputs, read through the Pulumi CLI, and the endpoint that they describe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clore_inference.cli.toolchain import pulumi_path
from clore_inference.errors import ConfigError
from clore_inference.host.docker.daemon import Daemon
from clore_inference.host.login import Login
from clore_inference.secret import Secret
from clore_inference.spec import API_PORT

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How Pulumi writes an output that is not known (sdk/python, runtime/rpc.py)."""
PULUMI_TIMEOUT_S: Final = 60.0
"""Real seconds; `stack output` takes 1 s, more where the backend is far."""

Run = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Endpoint:
    """Where a model is served, and how to get there."""

    model: str
    key: Secret
    url: str
    """Public address without `/v1`; empty where there is none."""
    login: Login | None = None
    """SSH access to the host; the engine listens there on `port` of loopback."""
    port: int = API_PORT
    docker: Daemon | None = None
    """The Docker engine of one's own that serves it, on `port` of its host's loopback."""
    certificate: str = ""
    """PEM that TLS at `url` must show; empty: whatever the public authorities vouch for."""
    order_id: str = ""
    usd_per_day: str = ""


def pulumi(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run the Pulumi CLI that this project uses; raises ConfigError when there is none."""
    path = pulumi_path(os.environ)
    program = shutil.which("pulumi", path=path)
    if program is None:
        raise ConfigError(["The Pulumi CLI is not on PATH. Run `make setup`, which finds it."])
    environment = {**os.environ, "PATH": path, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        return subprocess.run(
            [program, *arguments, "--non-interactive"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PULUMI_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        text = f"`pulumi {arguments[0]}` did not end within {PULUMI_TIMEOUT_S:.0f} s."
        raise ConfigError([text + " Is its backend reachable? Try `pulumi whoami`."]) from None


def selection(stack: str | None, directory: Path | None) -> list[str]:
    """Return the Pulumi flags that choose a stack."""
    chosen = ["--stack", stack] if stack else []
    return [*chosen, *(["--cwd", str(directory)] if directory else [])]


def outputs(stack: str | None, directory: Path | None, run: Run = pulumi) -> dict[str, Any]:
    """Return every output of a stack, secrets in clear; raises ConfigError when it has none."""
    arguments = ["stack", "output", "--json", "--show-secrets", *selection(stack, directory)]
    done = run(arguments)
    named = f"stack {stack}" if stack else "the selected stack"
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:300] or f"exit code {done.returncode}"
        text = f"The outputs of {named} cannot be read: {said!r}."
        raise ConfigError([text + " Try `pulumi stack ls`, and --stack or --cwd."])
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found:
        raise ConfigError([f"There is nothing in {named} yet. Run `pulumi up` first."])
    return dict(_known(found))


def _known(value: Any) -> Any:
    """The same without what only a resource that failed would have told."""
    if isinstance(value, Mapping):
        return {name: _known(one) for name, one in value.items() if one != UNKNOWN}
    return value


def replicas_of(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the deployments of a fleet: outputs of a stack that are outputs of a deployment."""
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, Mapping) and {"endpointKey", "model"} <= value.keys()
    }


def endpoints_of(found: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Return every endpoint that a stack's outputs describe; raises ConfigError for none."""
    replicas = replicas_of(found)
    if replicas and not found.get("endpointKey"):
        return tuple(endpoint_of(found, name) for name in replicas)
    return (endpoint_of(found),)


def endpoint_of(found: Mapping[str, Any], replica: str | None = None) -> Endpoint:
    """Return the endpoint that a stack's outputs describe; raises ConfigError for what is missing."""
    replicas = replicas_of(found)
    if replica is not None and replica not in replicas:
        names = ", ".join(replicas) or "none"
        raise ConfigError([f"The stack has no replica {replica!r}. Its replicas: {names}."])
    if replica is None and replicas and not found.get("endpointKey"):
        text = f"The stack is a fleet of {len(replicas)}: choose one of {', '.join(replicas)}"
        raise ConfigError([f"{text} with --replica."])
    found = found if replica is None else replicas[replica]
    missing = [name for name in ("endpointKey", "model") if not found.get(name)]
    if missing:
        text = f"The stack has no output {' and no output '.join(missing)}."
        raise ConfigError([text + " Export the outputs of MistralDeployment, and run `pulumi up`."])
    public = found.get("exposure") == "public"
    ssh, docker = found.get("ssh") or {}, found.get("docker") or {}
    return Endpoint(
        model=str(found["model"]),
        key=Secret(str(found["endpointKey"])),
        url=str(found.get("endpoint") or "") if public and not docker else "",
        login=_login(ssh),
        docker=_daemon(docker),
        port=int(docker.get("port") or ssh.get("remotePort") or API_PORT),
        certificate=str(found.get("endpointCertificate") or ""),
        order_id=str(found.get("orderId") or ""),
        usd_per_day=str(found.get("usdPerDay") or ""),
    )


def _daemon(docker: Mapping[str, Any]) -> Daemon | None:
    if not docker.get("host"):
        return None
    return Daemon(str(docker["host"]), str(docker.get("hostKey") or "") or None)


def _login(ssh: Mapping[str, Any]) -> Login | None:
    words = ("host", "port", "hostKey", "privateKey")
    if not all(ssh.get(word) for word in words):
        return None
    return Login(
        host=str(ssh["host"]),
        port=int(ssh["port"]),
        private_key=Secret(str(ssh["privateKey"])),
        host_key=str(ssh["hostKey"]),
    )
