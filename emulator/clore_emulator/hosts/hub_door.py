"""The way to the hub from inside a network namespace: a Unix socket, which crosses them."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from clore_emulator.hosts import relay

_LONGEST_PATH_BYTES: Final = 103
"""A Unix socket's address holds 103 bytes of path on macOS, 107 on Linux."""


class HubDoor:
    """The hub's own Unix socket, or one that is opened here at first need and relays to it."""

    def __init__(self, url: str, socket: Path | None, state: Path) -> None:
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            msg = f"the hub's address {url!r} needs a host and a port"
            raise ValueError(msg)
        self.port = parts.port
        self._host = parts.hostname
        self._path = socket
        self._state = state
        self._own: Path | None = None
        self._server: asyncio.Server | None = None

    async def path(self) -> str:
        """The path of the socket to connect to."""
        if self._path is None:
            self._path = self._place()
            serve = relay.tcp(relay.to_port(self._host, self.port))
            self._server = await asyncio.start_unix_server(serve, self._path)
        return str(self._path)

    def _place(self) -> Path:
        """Beside the hosts, where nobody else tidies up, if the path is short enough."""
        beside = self._state / "hub.sock"
        if len(os.fsencode(beside)) <= _LONGEST_PATH_BYTES:
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            return beside
        self._own = Path(tempfile.mkdtemp(prefix="clore-hub-"))
        return self._own / "socket"

    async def close(self) -> None:
        """Close what was opened here."""
        if self._server is not None:
            self._server.close()
            self._server = None
            if self._path is not None:
                self._path.unlink(missing_ok=True)
            self._path = None
        if self._own is not None:
            await asyncio.to_thread(shutil.rmtree, self._own, ignore_errors=True)
            self._own = None
