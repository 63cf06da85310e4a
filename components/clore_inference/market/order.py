"""An order as the rest of the package sees it: reachable, and kept in state."""

import re
from decimal import Decimal
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from clore_inference.clock import is_loopback
from clore_inference.market.price import CREATION_FEE_USD
from clore_inference.market.request import OrderType
from clore_inference.market.wire import Order

SSH_PORT: Final = 22

_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z"
)
_HOST_AND_PORT: Final = re.compile(r"(?P<host>[^:]+)(:(?P<port>[0-9]{1,5}))?\Z")


class ActiveOrder(BaseModel):
    """An order whose ports are known; what acceptance gets. Times are marketplace unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_id: int
    server_id: int
    created_at: float
    ends_at: float
    usd_per_day: Decimal
    """Renter's fee included."""
    ssh_host: str
    ssh_port: int
    http_url: str
    """Scheme decided; empty where no http port was asked for."""
    tcp_ports: dict[int, int] = {}
    """Container port to the public one, on the same name as SSH."""
    gpu: str
    advertised: dict[str, Any]
    remaining_s: float
    """Marketplace seconds left of the request's deadline."""


class HeldOrder(BaseModel):
    """What state keeps of an accepted order."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    order_id: int
    server_id: int
    created_at: float
    ends_at: float
    usd_per_day: Decimal
    """Renter's fee included."""
    creation_fee_usd: Decimal = CREATION_FEE_USD
    ssh_host: str
    ssh_port: int
    http_url: str
    tcp_ports: dict[int, int] = {}
    """Container port to the public one; the marking ports are among them."""
    gpu: str
    order_type: OrderType = "on-demand"
    """Which kind was asked for; a spot order ends when somebody bids more than `usd_per_day`."""
    disk_mb_per_s: float | None = None
    """As advertised; how long an engine may take to load follows from it."""
    cap_usd_per_day: Decimal | None = None
    """The cap that it was bought under."""
    accepted: dict[str, Any]
    """What acceptance returned."""


def is_reachable(order: Order, *, http: bool) -> bool:
    """Whether the listing shows every address that is needed."""
    has_ssh = bool(order.pub_cluster) and SSH_PORT in order.ports
    return has_ssh and (bool(order.http_pub) or not http)


def ssh_address(order: Order) -> tuple[str, int] | None:
    """Return host and port of SSH; None where the marketplace names no valid one."""
    host = order.pub_cluster[0].strip().lower() if order.pub_cluster else ""
    port = order.ports.get(SSH_PORT, 0)
    return (host, port) if _HOST.match(host) and 0 < port < 65536 else None


def http_url(order: Order) -> str | None:
    """Return the public URL: https, and plain http for loopback literals; None where invalid."""
    found = _HOST_AND_PORT.match((order.http_pub or "").strip().lower())
    if found is None or not _HOST.match(found["host"]):
        return None
    port = found["port"]
    if port is not None and not 0 < int(port) < 65536:
        return None
    scheme = "http" if is_loopback(found["host"]) else "https"
    return f"{scheme}://{found['host']}" + (f":{port}" if port else "")
