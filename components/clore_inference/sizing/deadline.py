"""How long each part of a cold start may take before somebody gives up on it.

deadline = max(floor, sum of budgets); a budget is a size over a rate, times what a rate may fall
behind. Worked example: an image of 12 GB over an advertised 300 Mbps is 320 s, three times that is 16
min, and with 7 min to order, connect and attest the host has 23 min.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict

from clore_inference import units
from clore_inference.sizing.startup import (
    IMAGE_BYTES,
    LOAD_BYTES_PER_S,
    ORDER_S,
    WARM_UP_S,
    transfer_s,
)
from clore_inference.spec import DeploymentSpec

PATIENCE: Final = 3
"""How many times its estimate a transfer or a load may take: an advertised rate is a best case, and a
measured one is shared with others later."""
CONNECT_S: Final = 180
"""SSH was reset for as long as five minutes on hosts that then served; most answer within two."""
ATTEST_S: Final = 120
"""Two fresh connections, the host's answers, and a short read over its link."""
ACCEPT_FLOOR_S: Final = 900
"""https://docs.clore.ai calls 5 to 15 minutes normal before a container of this kind answers."""
ACCEPT_MOST_S: Final = 7200
"""Two hours: a host that needs longer for its image is the wrong one for weights ten times as big."""
VERIFY_BYTES_PER_S: Final = 500_000_000
"""SHA-256 in one thread of a server's CPU, files read back from disk."""
UNPACK_S: Final = 600
"""To unpack or build an engine that was fetched; llama.cpp takes minutes."""
JOB_FLOOR_S: Final = 1800
"""Estimates below ten minutes say little about a slow relay."""
SLOWEST_DISK_BYTES_PER_S: Final = 30_000_000
"""The slowest disk that was seen on the market (31 MB/s); what claims less is read as that."""


class Budget(BaseModel):
    """One named part of a deadline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    seconds: float
    because: str


class Deadline(BaseModel):
    """When to give up, and what it is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    floor_s: float
    budgets: tuple[Budget, ...]
    most_s: float = float("inf")

    @property
    def seconds(self) -> float:
        """Marketplace seconds."""
        wanted = sum(one.seconds for one in self.budgets)
        return min(max(self.floor_s, wanted), self.most_s)

    def lines(self) -> tuple[str, ...]:
        """Explain it, one line per budget."""
        rows = [
            f"{one.name}: {units.duration(one.seconds)} ({one.because})" for one in self.budgets
        ]
        head = f"at most {units.duration(self.seconds)}, never less than "
        return (head + units.duration(self.floor_s), *rows)


def acceptance(spec: DeploymentSpec, link_mbps: float | None = None) -> Deadline:
    """From an accepted order to a proven host, over the link that its offer advertises.

    Without a link, over the slowest that the spec accepts. A configured `acceptDeadlineMinutes` is
    the whole of it.
    """
    if spec.accept_deadline_minutes is not None:
        seconds = spec.accept_deadline_minutes * 60
        said = Budget(name="host", seconds=seconds, because="acceptDeadlineMinutes")
        return Deadline(floor_s=0, budgets=(said,))
    link = link_mbps or slowest_mbps(spec)
    return Deadline(
        floor_s=ACCEPT_FLOOR_S,
        most_s=ACCEPT_MOST_S,
        budgets=(
            Budget(name="order", seconds=ORDER_S, because="order, container"),
            _transfer("image", IMAGE_BYTES, link, "advertised"),
            Budget(name="connect", seconds=CONNECT_S, because="SSH through the relay"),
            Budget(name="attest", seconds=ATTEST_S, because="two connections, its answers"),
        ),
    )


def fetch(size_bytes: float, link_mbps: float, *, measured: bool) -> Deadline:
    """From the start of a fetch to verified weights on the host's disk."""
    rate = units.rate(VERIFY_BYTES_PER_S)
    return Deadline(
        floor_s=JOB_FLOOR_S,
        budgets=(
            _transfer("weights", size_bytes, link_mbps, "measured" if measured else "asked for"),
            Budget(
                name="verify",
                seconds=PATIENCE * size_bytes / VERIFY_BYTES_PER_S,
                because=f"{units.size(size_bytes)} at {rate}, up to {PATIENCE} times as slow",
            ),
        ),
    )


def serve(
    size_bytes: float,
    *,
    disk_bytes_per_s: float | None = None,
    install_bytes: float = 0,
    link_mbps: float = 1,
) -> Deadline:
    """From the start of an engine to its first answer; an install that comes first is added.

    `disk_bytes_per_s` is what the offer advertises; nothing loads faster than `LOAD_BYTES_PER_S`.
    """
    told = disk_bytes_per_s or LOAD_BYTES_PER_S
    disk = min(max(told, SLOWEST_DISK_BYTES_PER_S), LOAD_BYTES_PER_S)
    budgets = [
        Budget(
            name="load",
            seconds=PATIENCE * size_bytes / disk,
            because=f"{units.size(size_bytes)} at {units.rate(disk)}, up to {PATIENCE} times as slow",
        ),
        Budget(name="warm-up", seconds=PATIENCE * WARM_UP_S, because="memory profile, CUDA graphs"),
    ]
    floor_s: float = JOB_FLOOR_S
    if install_bytes:
        install = _transfer("install", install_bytes, link_mbps, "asked for")
        unpack = Budget(name="unpack", seconds=PATIENCE * UNPACK_S, because="unpack or build")
        budgets += [install, unpack]
        floor_s += install.seconds + unpack.seconds
    return Deadline(floor_s=floor_s, budgets=tuple(budgets))


def slowest_mbps(spec: DeploymentSpec) -> float:
    """The slowest link that the spec accepts; the guide's where it accepts any."""
    return spec.min_down_mbps or spec.needs.down_mbps


def _transfer(name: str, size_bytes: float, link_mbps: float, which: str) -> Budget:
    return Budget(
        name=name,
        seconds=PATIENCE * transfer_s(size_bytes, link_mbps),
        because=f"{units.size(size_bytes)} at {link_mbps:g} Mbps {which}, up to {PATIENCE} times as slow",
    )
