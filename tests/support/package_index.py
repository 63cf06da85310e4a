"""The emulator's package index on a port of its own, for hosts that are no emulator's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import uvicorn

from clore_emulator.packages.app import beside
from clore_inference.catalog import parse_lock
from clore_inference.host.job import Installation


@dataclass(frozen=True)
class PackageIndex:
    """An index that runs."""

    url: str

    @property
    def simple(self) -> str:
        return f"{self.url}/packages/simple"

    def lock(self, release: str) -> str:
        return requests.get(f"{self.url}/packages/locks/{release}.lock", timeout=10).text

    def served(self) -> dict[str, int]:
        """Bytes by file."""
        found: dict[str, int] = requests.get(f"{self.url}/packages/_admin", timeout=10).json()[
            "files"
        ]
        return found

    def arm(self, *faults: dict[str, Any]) -> None:
        url = f"{self.url}/packages/_admin/faults"
        assert requests.put(url, json=list(faults), timeout=10).ok

    def release(self, engine: str, version: str, **facts: Any) -> Installation:
        """What a job is told about a release of this index."""
        lock = parse_lock(self.lock(f"{engine}-{version}"))
        known = {
            "engine": engine,
            "version": version,
            "own": "other-1",
            "index": self.simple,
            "lock": lock.text,
            "lock_id": lock.digest,
            "fetch_bytes": lock.fetch_bytes,
            **facts,
        }
        return Installation.model_validate(known)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def a_package_index() -> Iterator[PackageIndex]:
    config = uvicorn.Config(beside(_nothing), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield PackageIndex(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(10)
