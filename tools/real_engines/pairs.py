"""Two arms of one server, asked in turn: what does the second cost more than the first?

Both arms live in one process: two separate servers differ by 1 to 2.5 % with nothing between them.
Pairs alternate and medians of pairs count, so that a busy machine disturbs both arms alike.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LEAST_SHARE: Final = 0.97
MOST_MS: Final = 1.0


@dataclass(frozen=True)
class Arm:
    """Where one arm is asked."""

    port: int
    path: str
    key: str

    async def ask(self, document: Mapping[str, Any]) -> float:
        """Send one request on a connection of its own; return its seconds. Raises ValueError."""
        body = json.dumps(document).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        started = time.perf_counter()
        writer.write(head.encode() + body)
        first = await reader.read(65536)
        while await reader.read(65536):
            pass
        seconds = time.perf_counter() - started
        writer.close()
        if b" 200 " not in first[:16]:
            message = f"{self.path} answered {first[:200]!r}"
            raise ValueError(message)
        return seconds


async def added_ms(bare: Arm, guarded: Arm, document: Mapping[str, Any], pairs: int) -> float:
    """Return the median over pairs of what a request takes longer, in ms."""
    added = []
    for number in range(pairs):
        seconds = {}
        for arm in (bare, guarded) if number % 2 else (guarded, bare):
            seconds[arm] = await arm.ask(document)
        added.append(seconds[guarded] - seconds[bare])
    return statistics.median(added) * 1000


async def share(
    bare: Arm, guarded: Arm, document: Mapping[str, Any], pairs: int, clients: int
) -> float:
    """Return the guarded arm's share of the bare throughput, the median over pairs."""
    shares = []
    for number in range(pairs):
        seconds = {}
        for arm in (bare, guarded) if number % 2 else (guarded, bare):
            started = time.perf_counter()
            await asyncio.gather(*(arm.ask(document) for _ in range(clients)))
            seconds[arm] = time.perf_counter() - started
        shares.append(seconds[bare] / seconds[guarded])
    return statistics.median(shares)
