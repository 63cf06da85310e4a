"""The way to the hub from inside a network namespace: a Unix socket, which crosses them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from clore_emulator.hosts import relay


class HubDoor:
    """The hub's own Unix socket, or one that is opened here at first need and relays to it."""

    def __init__(self, url: str, socket: Path | None) -> None:
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            msg = f"the hub's address {url!r} needs a host and a port"
            raise ValueError(msg)
        self.port = parts.port
        self._host = parts.hostname
        self._path = socket
        self._own: Path | None = None
        self._server: asyncio.Server | None = None

    async def path(self) -> str:
        """The path of the socket to connect to."""
        if self._path is None:
            # Not under the state directory: a Unix socket's path has at most 107 bytes.
            self._own = Path(tempfile.mkdtemp(prefix="clore-hub-"))
            self._path = self._own / "socket"
            serve = relay.tcp(relay.to_port(self._host, self.port))
            self._server = await asyncio.start_unix_server(serve, self._path)
        return str(self._path)

    async def close(self) -> None:
        """Close what was opened here."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._own is not None:
            await asyncio.to_thread(shutil.rmtree, self._own, ignore_errors=True)
            self._own = self._path = None
