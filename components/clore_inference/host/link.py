"""The rate at which a host really reaches the hub, measured before its weights are fetched.

At most `MOST_BYTES` and `MOST_REAL_S` of something public: no token is on the host by then.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Final

import asyncssh

from clore_inference.clock import Clock
from clore_inference.errors import HostUnreachable
from clore_inference.host.bootstrap import FIND_PYTHON
from clore_inference.host.link_rate import (
    MOST_BYTES,
    MOST_REAL_S,
    STREAMS,
    TIMEOUT_REAL_S,
    LinkRate,
    LinkWish,
    rate,
)
from clore_inference.host.login import Login
from clore_inference.host.ssh import connected, in_loop, run

_PROGRAM: Final = Path(__file__).parent / "travelling" / "link.py"


def measure(login: Login, wish: LinkWish, *, clock: Clock) -> LinkRate:
    """Read a little from the hub over the host's link; never raises for what a host answers."""
    asked = {
        "endpoint": wish.endpoint,
        "repositories": list(wish.repositories),
        "most_bytes": MOST_BYTES,
        "most_s": MOST_REAL_S,
        "streams": STREAMS,
    }
    command = f'{FIND_PYTHON}exec "$found" - {shlex.quote(json.dumps(asked))}\n'
    try:
        text = in_loop(_answer(login, command))
    except (HostUnreachable, OSError, TimeoutError, asyncssh.Error) as error:
        return LinkRate(mbps=None, note=f"not measured: {str(error) or type(error).__name__}")
    return rate(text, scale=1 / clock.real(1.0))


async def _answer(login: Login, command: str) -> str:
    async with connected(login) as connection:
        answer = await run(
            connection, command, stdin=_PROGRAM.read_text("utf-8"), timeout_s=TIMEOUT_REAL_S
        )
    return answer.stdout if answer.code == 0 else json.dumps({"error": answer.stderr[-200:]})
