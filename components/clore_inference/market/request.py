"""What may be bought."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_SSH_KEY: Final = 3072
"""Characters of `ssh_key` that create_order takes (clients of the API, 2026)."""

OrderType = Literal["on-demand", "spot"]
Currency = Literal["USD-Blockchain", "CLORE-Blockchain", "bitcoin"]


class OrderRequest(BaseModel):
    """What may be bought; travels as JSON by `model_dump(mode="json")`.

    `max_usd_per_day` is for the whole server and includes the renter's fee. `ports` are without the
    mark. `deadline_s` runs from the accepted order to the accepted host.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu: str
    gpu_names: tuple[str, ...] = Field(min_length=1)
    gpu_count: int = Field(ge=1)
    min_gpu_memory_gb: float = 0
    min_memory_gb: float = 0
    min_disk_gb: float = 0
    min_down_mbps: float = 0
    min_cuda: str = ""
    min_pcie_width: int = 0
    min_reliability: float = 0
    min_term_hours: float = 0
    countries: tuple[str, ...] = ()
    excluded_countries: tuple[str, ...] = ()
    max_usd_per_day: Decimal = Field(gt=0)
    max_usd_total: Decimal | None = Field(default=None, gt=0)
    """For the whole of a server's longest rental, with both fees; None: no such bound."""
    currency: Currency = "USD-Blockchain"
    order_type: OrderType = "on-demand"
    spot_bid_usd_per_day: Decimal | None = Field(default=None, gt=0)
    """Renter's fee included; None bids the least that a server takes. Only for spot orders."""
    image: str = Field(min_length=1)
    ports: dict[int, Literal["tcp", "http"]]
    ssh_public_key: str = Field(max_length=LONGEST_SSH_KEY)
    max_replacements: int = Field(default=1, ge=0)
    deadline_s: float = Field(default=900, gt=0)

    @property
    def http_port(self) -> int | None:
        """The container port behind the public name, if one was asked for."""
        return next((port for port, kind in self.ports.items() if kind == "http"), None)
