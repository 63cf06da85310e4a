"""Which process is at the other end of a loopback connection; Linux only, None elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


@dataclass(frozen=True)
class Connection:
    """A TCP connection over 127.0.0.1, seen from the server."""

    client_port: int
    server_port: int


def process_of(connection: Connection, ancestors: int = 0) -> int | None:
    """The process that holds the client side of a connection, or its n-th parent."""
    inode = _inode(connection)
    pid = _holder(inode) if inode else None
    for _ in range(ancestors):
        pid = _parent(pid) if pid else None
    return pid


def _inode(connection: Connection) -> str | None:
    """The client's socket; columns as in proc(5): local address, remote address, inode."""
    try:
        lines = (PROC / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    ends = [f"0100007F:{port:04X}" for port in (connection.client_port, connection.server_port)]
    rows = (line.split() for line in lines)
    return next((row[9] for row in rows if row[1:3] == ends and row[9] != "0"), None)


def _holder(inode: str) -> int | None:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _holds(entry, inode):
            return int(entry.name)
    return None


def _holds(process: Path, inode: str) -> bool:
    try:
        links = [str(link.readlink()) for link in (process / "fd").iterdir()]
    except OSError:
        return False
    return f"socket:[{inode}]" in links


def _parent(pid: int) -> int | None:
    try:
        after_name = (PROC / str(pid) / "stat").read_text(encoding="ascii").rpartition(")")[2]
    except OSError:
        return None
    return int(after_name.split()[1])
