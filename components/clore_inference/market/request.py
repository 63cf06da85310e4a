"""What may be bought."""

from decimal import Decimal
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_SSH_KEY: Final = 3072
"""Characters of `ssh_key` that create_order takes (clients of the API, 2026)."""

LONGEST_DEADLINE_S: Final = 7200.0
"""However slow a link is: a host that bills for two hours and proves nothing is let go."""

OrderType = Literal["on-demand", "spot"]
Currency = Literal["USD-Blockchain", "CLORE-Blockchain", "bitcoin"]


class OrderRequest(BaseModel):
    """What may be bought; travels as JSON by `model_dump(mode="json")`.

    `max_usd_per_day` is for the whole server and includes the renter's fee. `ports` are without the
    mark. `deadline_s` runs from the accepted order to the accepted host; see `deadline_at`.
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
    """The least that a host gets."""
    deadline_fixed_s: float = 0
    """What an order takes besides its image."""
    deadline_megabits: float = 0
    """What comes over the link before a host can prove itself, and how often over; 0: nothing."""

    def deadline_at(self, down_mbps: float) -> float:
        """Marketplace seconds for a host whose offer advertises such a link; 0: it says nothing."""
        if down_mbps <= 0 or not self.deadline_megabits:
            return self.deadline_s
        wanted = self.deadline_fixed_s + self.deadline_megabits / down_mbps
        return max(self.deadline_s, min(wanted, LONGEST_DEADLINE_S))

    @property
    def longest_deadline_s(self) -> float:
        """The same for the slowest link that may be rented."""
        if self.deadline_megabits and self.min_down_mbps <= 0:
            return max(self.deadline_s, LONGEST_DEADLINE_S)
        return self.deadline_at(self.min_down_mbps)

    @property
    def http_port(self) -> int | None:
        """The container port behind the public name, if one was asked for."""
        return next((port for port, kind in self.ports.items() if kind == "http"), None)
