"""Rules about a Docker host of one's own: how it is reached, and what it publishes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from clore_inference.rules.facts import Facts
from clore_inference.rules.rule import Rule
from clore_inference.spec import DeploymentSpec

PROTECT: Final = "https://docs.docker.com/engine/security/protect-access/"
GPUS: Final = "https://docs.docker.com/engine/containers/resource_constraints/#gpu"
PORTS: Final = "https://docs.docker.com/engine/network/port-publishing/"

_SOCKET: Final = re.compile(r"unix:///[\w./+@-]+")
_OVER_SSH: Final = re.compile(
    r"ssh://(?:[A-Za-z0-9_][\w.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?"
)
"""A host or user that began with a dash would be read as an option by ssh."""
_KEY: Final = re.compile(r"(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}")
_GPUS: Final = re.compile(r"all|none|(?:\d+|GPU-[0-9a-f-]+)(?:,(?:\d+|GPU-[0-9a-f-]+))*")


def _on_docker(facts: Facts) -> DeploymentSpec | None:
    return facts.spec if facts.spec and facts.spec.host == "docker" else None


def _host(facts: Facts) -> Iterator[str]:
    spec = _on_docker(facts)
    if spec is None:
        return
    address = spec.docker_host
    if not _SOCKET.fullmatch(address) and not _OVER_SSH.fullmatch(address):
        yield (
            f"dockerHost is {address[:80]!r}: a Docker engine is reached here by its own socket or "
            "by SSH; over plain TCP everybody on the network would be root on that machine."
        )


def _key_is_a_key(facts: Facts) -> Iterator[str]:
    spec = _on_docker(facts)
    if spec and spec.docker_host_key and not _KEY.fullmatch(spec.docker_host_key):
        yield f"dockerHostKey {spec.docker_host_key[:40]!r} is not a type and a key in base64."


def _pinned(facts: Facts) -> Iterator[str]:
    spec = _on_docker(facts)
    if spec and spec.docker_host.startswith("ssh://") and not spec.docker_host_key:
        yield (
            f"{spec.docker_host} is trusted by the known_hosts of whoever runs this: another "
            "machine, such as a CI, may know another key or none."
        )


def _gpus(facts: Facts) -> Iterator[str]:
    spec = _on_docker(facts)
    if spec is None:
        return
    wanted = spec.docker_gpus
    if not _GPUS.fullmatch(wanted):
        yield f"dockerGpus is {wanted[:40]!r}, which names no GPUs."
        return
    named = len(wanted.split(","))
    if wanted not in ("all", "none") and named != spec.shape.count:
        yield f"dockerGpus names {named} GPUs, but topology {spec.topology} has {spec.shape.count}."


def _no_gpu(facts: Facts) -> Iterator[str]:
    spec = _on_docker(facts)
    if spec and spec.docker_gpus == "none":
        yield "dockerGpus is none: the engine is given no GPU, and nobody checks that there is one."


def _plain(facts: Facts) -> Iterator[str]:
    spec = _on_docker(facts)
    if spec and spec.exposure == "public":
        yield (
            f"exposure is public: port {spec.docker_port} is opened on every address of the host, "
            "in plain HTTP; the key and every prompt can be read on the way."
        )


RULES: Final = (
    Rule(
        "clore-docker-spell-host", "mandatory", "a Docker engine is reached by socket or SSH",
        PROTECT, "Set dockerHost to unix:///var/run/docker.sock or ssh://user@host.", _host,
        ("dockerHost",),
    ),
    Rule(
        "clore-docker-spell-host-key", "mandatory", "a pinned host key is a key", PROTECT,
        "Write what `ssh-keyscan -t ed25519 HOST` prints behind the name: ssh-ed25519 AAAA…",
        _key_is_a_key, ("dockerHostKey",),
    ),
    Rule(
        "clore-docker-pin-host-key", "warning", "the SSH key of a Docker host is pinned", PROTECT,
        "Set dockerHostKey to what `ssh-keyscan -t ed25519 HOST` prints, once you compared it.",
        _pinned, ("dockerHost", "dockerHostKey"),
    ),
    Rule(
        "clore-docker-match-gpus", "mandatory", "the GPUs that are named are the topology's", GPUS,
        "Set dockerGpus to all, none, or as many ids as the topology has GPUs: 0,1,2,3.", _gpus,
        ("dockerGpus", "topology"),
    ),
    Rule(
        "clore-docker-prefer-gpus", "warning", "the engine has GPUs", GPUS,
        "Set dockerGpus: all. Without GPUs only a trial engine serves this model.", _no_gpu,
        ("dockerGpus",),
    ),
    Rule(
        "clore-docker-watch-plain-http", "warning", "what is public is encrypted", PORTS,
        "Keep exposure: private and use `clore-inference connect`, or put a TLS proxy in front.",
        _plain, ("exposure",),
    ),
)  # fmt: skip
