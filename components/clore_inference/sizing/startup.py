"""How long a cold start takes, by stage.

Transfer time = bytes x 8 / rate. Loading is read from local disk at the rate below. Fixed stages
are what renters of the marketplace report: a host is reachable one to three minutes after an order,
and CUDA graphs take about a minute after the weights are in.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict

from clore_inference import units
from clore_inference.spec import DeploymentSpec

ORDER_S: Final = 120
"""From an accepted order to SSH, without the image."""
IMAGE_BYTES: Final = 12 * units.GB
"""Compressed layers of the engine's image."""
LOAD_BYTES_PER_S: Final = 2 * units.GB
"""Reading weights from one NVMe disk into the GPUs."""
WARM_UP_S: Final = 60
"""Profiling the memory and capturing CUDA graphs."""
MBPS: Final = 1_000_000 / 8
"""Bytes per second in one megabit per second."""


class Stage(BaseModel):
    """One part of a cold start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    seconds: float
    because: str


class Startup(BaseModel):
    """A cold start, stage by stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    link_mbps: float
    stages: tuple[Stage, ...]

    @property
    def seconds(self) -> float:
        """The whole of it."""
        return sum(stage.seconds for stage in self.stages)

    def lines(self) -> tuple[str, ...]:
        """Explain it, one line per stage."""
        rows = [
            f"{stage.name}: {units.duration(stage.seconds)} ({stage.because})"
            for stage in self.stages
        ]
        return (f"cold start: {units.duration(self.seconds)} at {self.link_mbps:g} Mbps", *rows)


def transfer_s(size_bytes: float, link_mbps: float) -> float:
    """Seconds to move that many bytes over a link; ValueError unless the link has a rate."""
    if link_mbps <= 0:
        message = f"a link of {link_mbps:g} Mbps moves nothing"
        raise ValueError(message)
    return size_bytes / (link_mbps * MBPS)


def startup(spec: DeploymentSpec, link_mbps: float | None = None) -> Startup:
    """Estimate a cold start over a link; without one, over the slowest that the spec accepts."""
    link = link_mbps or spec.min_down_mbps or spec.needs.down_mbps
    size = spec.checkpoint.weights_bytes if spec.checkpoint else 0
    return Startup(
        link_mbps=link,
        stages=(
            Stage(name="host", seconds=ORDER_S, because="order, container, SSH"),
            Stage(
                name="image",
                seconds=transfer_s(IMAGE_BYTES, link),
                because=f"{units.size(IMAGE_BYTES)}; less where the host has it",
            ),
            Stage(
                name="weights",
                seconds=transfer_s(size, link),
                because=f"{units.size(size)}, once per host",
            ),
            Stage(
                name="load",
                seconds=size / LOAD_BYTES_PER_S,
                because=f"at {units.rate(LOAD_BYTES_PER_S)}",
            ),
            Stage(name="warm-up", seconds=WARM_UP_S, because="memory profile, CUDA graphs"),
        ),
    )
