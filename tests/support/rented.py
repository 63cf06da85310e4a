"""Builders for rented hosts: the documents of the market side, and hosts that clean up."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import asyncssh
from clore_emulator.hosts import Hosts

KEY: Final = asyncssh.generate_private_key("ssh-ed25519")
STRANGERS_KEY: Final = asyncssh.generate_private_key("ssh-ed25519")
_order_ids: Final = itertools.count(1)


def a_truth(**facts: Any) -> dict[str, Any]:
    return {
        "gpu": "NVIDIA H100 80GB HBM3",
        "gpu_count": 4,
        "gpu_memory_mib": 81559,
        "driver": "580.65.06",
        "cuda": "13.0",
        "disk_free_gb": 1200.0,
        "memory_gb": 755.0,
        "shm_gb": 300.0,
        "down_mbps": 3000.0,
        "deploys": True,
        "ssh": True,
        "http": "wired",
        **facts,
    }


def a_server(**facts: Any) -> dict[str, Any]:
    """A marketplace row, as far as a host looks at it, with its truth."""
    specs = {"cpus": "64/128", "pcie_rev": 5, "pcie_width": 16, "pl": [700.0] * 4}
    return {"id": 98001, "specs": specs, "truth": a_truth(**facts)}


def an_order(**fields: Any) -> dict[str, Any]:
    return {
        "id": next(_order_ids),
        "server_id": 98001,
        "image": "vllm/vllm-openai:v0.11.0",
        "ports": {"22": "tcp", "8000": "http", "31234": "tcp"},
        "env": {},
        "command": None,
        "ssh_key": KEY.export_public_key().decode(),
        "ssh_password": None,
        "autossh_entrypoint": True,
        **fields,
    }


@contextlib.asynccontextmanager
async def hosts_at(root: Path, **options: Any) -> AsyncIterator[Hosts]:
    """Hosts that deploy at once (a virtual hour passes in a real second)."""
    settings: dict[str, Any] = {"time_scale": 3600.0, "seed": 7, "hub_url": "http://127.0.0.1:9"}
    hosts = Hosts(root, **{**settings, **options})
    try:
        yield hosts
    finally:
        await hosts.close()


@contextlib.asynccontextmanager
async def login(
    port: int | None, key: asyncssh.SSHKey = KEY, **options: Any
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """An SSH connection as root that accepts any host key."""
    async with asyncssh.connect(
        "127.0.0.1",
        port or 0,
        config=None,
        **{
            "username": "root",
            "client_keys": [key],
            "known_hosts": None,
            "agent_path": None,
            **options,
        },
    ) as connection:
        yield connection
