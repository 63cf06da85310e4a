"""Where a rented host is reached on loopback, and the sockets that hold those ports."""

from __future__ import annotations

import contextlib
import errno
import json
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clore_emulator.hosts.scratch import write_whole

SSH: Final = 22
PUBLIC: Final = "127.0.0.1"
_LOWEST, _HIGHEST = 10_000, 29_999
"""Below the ports that Linux and macOS give to outgoing connections (32768 and 49152 upward)."""


@dataclass(frozen=True)
class HostAddress:
    """Public ports on 127.0.0.1. `relay` maps container TCP ports; the http port is not in it."""

    ssh_port_public: int | None
    http_port_public: int | None
    relay: Mapping[int, int]


@dataclass
class Doors:
    """The listening sockets of a host. The SSH socket is bound only: it refuses until the host
    itself listens on it.
    """

    relay: dict[int, socket.socket]
    http: socket.socket | None = None
    http_port: int | None = None

    @property
    def address(self) -> HostAddress:
        relay = {port: _port(opened) for port, opened in self.relay.items()}
        return HostAddress(
            ssh_port_public=relay.get(SSH),
            http_port_public=_port(self.http) if self.http else None,
            relay=relay,
        )

    def all(self) -> list[socket.socket]:
        return [*self.relay.values(), *([self.http] if self.http else [])]

    def close(self) -> None:
        """Give the ports back; connections are refused as soon as the host has ended too."""
        for opened in self.all():
            opened.close()


def open_doors(
    ports: Mapping[str, str], remembered: Mapping[int, int], http: int | None, seed: str
) -> Doors:
    """Open a public port for every port of an order: remembered ones where they are free."""
    doors = Doors(relay={})
    for name, kind in ports.items():
        container = int(name)
        draw = random.Random(f"{seed}:{container}")  # noqa: S311 - a seeded world
        if kind == "tcp":
            doors.relay[container] = _open(remembered.get(container), draw)
            if container != SSH:
                listen(doors.relay[container])
        elif doors.http is None:
            doors.http, doors.http_port = _open(http, draw), container
            listen(doors.http)
    return doors


def listen(opened: socket.socket) -> None:
    """Take connections from now on. They inherit the option, without which those that are still
    closing would keep the port from being ours again after a restart.
    """
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.listen(128)


def remember(path: Path, address: HostAddress) -> None:
    """Keep an address for after a restart."""
    relay = {str(port): public for port, public in address.relay.items()}
    write_whole(path, json.dumps({"relay": relay, "http_port_public": address.http_port_public}))


def recall(path: Path) -> tuple[dict[int, int], int | None]:
    """The remembered relay ports and HTTP port; empty when nothing legible is there."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        relay = {int(port): int(public) for port, public in document["relay"].items()}
        return relay, document["http_port_public"]
    return {}, None


def recorded(document: Mapping[str, Any] | None) -> tuple[dict[int, int], int | None]:
    """The same from an address that the market side has recorded: {"relay": …, "http": …}."""
    if not document:
        return {}, None
    relay = {int(port): int(public) for port, public in document["relay"].items()}
    return relay, document.get("http")


def _open(remembered: int | None, draw: random.Random) -> socket.socket:
    """Bind the remembered port if it is free, else the first free one of a seeded walk."""
    if remembered is not None:
        with contextlib.suppress(OSError):
            return _bind(remembered, again=True)
    for _ in range(_HIGHEST - _LOWEST):
        with contextlib.suppress(OSError):
            return _bind(draw.randint(_LOWEST, _HIGHEST), again=False)
    raise OSError(errno.EADDRINUSE, f"no free port between {_LOWEST} and {_HIGHEST}")


def _bind(port: int, *, again: bool) -> socket.socket:
    opened = socket.socket()
    try:
        # Only for a port that was ours and may still have closing connections: else two
        # emulators could share a port that neither listens on yet.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(again))
        opened.bind((PUBLIC, port))
    except OSError:
        opened.close()
        raise
    return opened


def _port(opened: socket.socket) -> int:
    port: int = opened.getsockname()[1]
    return port
