"""One rented host: `python -m clore_emulator.hosts.host`, started by `Hosts`, not by hand.

The first line on standard input is a JSON document (`Plan`); later lines are orders, `{"do": …}`;
its end is the end of the host. Standard output carries events, one JSON document a line.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Final

from clore_emulator.hosts import keeper
from clore_emulator.hosts.plan import Plan

_READ_BYTES: Final = 64 * 1024


def main() -> int:
    """Read the plan, keep the host until its end."""
    first, _, rest = _first_line().partition(b"\n")
    if not first:
        return 0
    plan = Plan(**json.loads(first))
    # A shell that starts a job in the background makes it deaf to Ctrl-C, and what it starts too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def serve() -> int:
        # Imported here: the keeper stays small and has no threads when it forks.
        from clore_emulator.hosts.server import Server  # noqa: PLC0415

        return asyncio.run(Server(plan).run(rest))

    meminfo = Path(plan.scratch) / "meminfo"
    return keeper.keep(
        serve,
        isolated=plan.isolated,
        parent_pid=plan.parent_pid,
        shm_bytes=plan.shm_bytes,
        meminfo=meminfo if meminfo.exists() else None,
        close=lambda: _give_up_descriptors(plan),
    )


def _first_line() -> bytes:
    seen = b""
    while b"\n" not in seen:
        chunk = os.read(0, _READ_BYTES)
        if not chunk:
            return b""
        seen += chunk
    return seen


def _give_up_descriptors(plan: Plan) -> None:
    for descriptor in (0, 1, plan.http_fd, *plan.relay_fds.values()):
        if descriptor is not None:
            os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
