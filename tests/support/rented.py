"""Builders for rented hosts: the documents of the market side, and hosts that clean up."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, ParamSpec

import asyncssh

from clore_emulator.hosts import Hosts

KEY: Final = asyncssh.generate_private_key("ssh-ed25519")
STRANGERS_KEY: Final = asyncssh.generate_private_key("ssh-ed25519")
P = ParamSpec("P")
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
    settings: dict[str, Any] = {
        "time_scale": 3600.0,
        "seed": 7,
        "hub_url": "http://127.0.0.1:18651",
    }
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


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a coroutine as a test, in a loop of its own, for at most half a minute."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(30):
                await test(*args, **kwargs)

        asyncio.run(bounded())

    return run


async def answer_of(url_port: int | None, path: str = "/") -> tuple[int, bytes]:
    """Status and body of a GET on a public name."""
    reader, writer = await asyncio.open_connection("127.0.0.1", url_port or 0)
    writer.write(f"GET {path} HTTP/1.0\r\nhost: x\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body


async def until(claim: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a claim about a host holds; the test's own deadline bounds it."""
    while not await claim():  # noqa: ASYNC110 - another process sets no event of ours
        await asyncio.sleep(0.02)


SERVE_HERE: Final = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[1].encode())
    def log_message(self, *args):
        pass
http.server.HTTPServer(("0.0.0.0", 8000), Page).serve_forever()
"""
"""A program for a host: a web server on its port 8000 that says its one argument."""
