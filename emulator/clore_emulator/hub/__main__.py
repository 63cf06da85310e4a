"""`python -m clore_emulator.hub`: the hub alone, on a TCP port, a Unix socket, or both."""

from __future__ import annotations

import argparse
import asyncio
import socket
from pathlib import Path

import uvicorn

from clore_emulator.hub.app import create_app


def main() -> None:
    """Serve until a signal; prints one line with the address when it listens."""
    parser = argparse.ArgumentParser(prog="python -m clore_emulator.hub", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--uds", type=Path, help="a Unix socket to listen on as well")
    given = parser.parse_args()
    sockets = [socket.create_server((given.host, given.port))]
    if given.uds is not None:
        local = socket.socket(socket.AF_UNIX)
        local.bind(str(given.uds))
        local.listen()
        sockets.append(local)
    print(f"http://{given.host}:{sockets[0].getsockname()[1]}", flush=True)
    config = uvicorn.Config(create_app(), log_level="warning", lifespan="off")
    asyncio.run(uvicorn.Server(config).serve(sockets=sockets))


if __name__ == "__main__":
    main()
