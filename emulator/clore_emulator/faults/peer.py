"""Which process is at the other end of a loopback connection; Linux only, None elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


def process_of(peer: tuple[str, int], ancestors: int = 0) -> int | None:
    """The process that holds the client side of a connection, or its n-th parent."""
    inode = _inode(peer[1])
    pid = _holder(inode) if inode else None
    for _ in range(ancestors):
        pid = _parent(pid) if pid else None
    return pid


def _inode(port: int) -> str | None:
    """The socket whose local port is the client's; columns as in proc(5)."""
    try:
        lines = (PROC / "net" / "tcp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    wanted = f"0100007F:{port:04X}"
    rows = (line.split() for line in lines)
    return next((row[9] for row in rows if row[1] == wanted and row[9] != "0"), None)


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
