"""What `Hosts` tells the process of one host."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Plan:
    """Everything a host needs to know; file descriptors are inherited sockets."""

    parent_pid: int
    isolated: bool
    scratch: str
    environment: dict[str, str]
    loopback: str
    """What 127.0.0.1 means on this host."""
    relay_fds: dict[str, int]
    """Container TCP port to socket; 22 is SSH."""
    http_fd: int | None
    http_port: int | None
    http_name: str
    ssh_password: str | None
    fresh_host_key: bool
    shm_bytes: int
    hub_port: int
    hub_socket: str | None
    """Unix socket of the hub; None: its own TCP port outside, reached from the fallback."""
    hub_bytes_per_s: float | None

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"
