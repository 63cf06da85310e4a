"""The mark: how an order is recognised as ours, without any state.

Orders carry no label, and the answer to a purchase names no id. What a listing echoes are the
container ports of an order (`tcp_ports: ["22:1972", ...]`), so three uncommon TCP ports are asked
for, on which nothing listens: one from the project, two from the random lease id. All three must
match before an order is adopted or cancelled; the project's alone only finds.

That every requested TCP port is echoed is inferred from recorded answers, not documented, and so is
that an order shows the image that was asked for. This module holds both assumptions, and no other
does; `doctor` verifies them on the first real order.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from typing import Final

from clore_inference.errors import ConfigError
from clore_inference.market.wire import Order

SCHEME: Final = "clore-mark-1:"
"""Part of every state and every running order: it never changes."""
FIRST_PORT: Final = 20000
PORTS: Final = 65536 - FIRST_PORT

_REGISTRY: Final = re.compile(r"\A((index\.)?docker\.io/)?(library/)?")
"""Docker Hub's name is optional in an image's."""

Mark = tuple[int, int, int]


def mark(project: str, lease_id: str) -> Mark:
    """Return the ports of a lease: the project's and the lease's two."""
    return (
        project_port(project),
        _port(f"lease:0:{lease_id}"),
        _port(f"lease:1:{lease_id}"),
    )


def project_port(project: str) -> int:
    """Return the port that all orders of a project share; it finds, it proves nothing."""
    return _port(f"project:{project}")


def _port(text: str) -> int:
    digest = hashlib.sha256((SCHEME + text).encode()).digest()
    return FIRST_PORT + int.from_bytes(digest, "big") % PORTS


def draw_lease_id(project: str, requested_ports: Iterable[int]) -> str:
    """Draw a random lease id whose mark collides with no requested port and not with itself."""
    requested = set(requested_ports)
    if project_port(project) in requested:
        finding = (
            f"port {project_port(project)} is requested, but it is the port by which orders of "
            f"project {project!r} are found. Request another port"
        )
        raise ConfigError([finding])
    while True:
        lease_id = secrets.token_hex(16)
        ports = mark(project, lease_id)
        if len(set(ports)) == 3 and requested.isdisjoint(ports):
            return lease_id


def carries(order: Order, wanted: Mark) -> bool:
    """Whether an order shows the full mark."""
    return set(wanted) <= order.ports.keys()


def carries_part(order: Order, wanted: Mark) -> bool:
    """Whether an order shows some port of the lease; the project's alone does not count."""
    return not order.ports.keys().isdisjoint(wanted[1:])


def same_image(one: str, other: str) -> bool:
    """Whether two references name one image."""
    return _REGISTRY.sub("", one.strip()) == _REGISTRY.sub("", other.strip())
