"""The most tokens per second one request can get: memory bandwidth over bytes read per token.

Every weight is read once per token. 4x H100: 4 x 3.35 TB/s / 133.6 GB = 100 tokens/s. It is a
ceiling without speculation, not a promise; the guide's 80 to 140 and 90 to 130 lie around it.
"""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from clore_inference import units
from clore_inference.spec import DeploymentSpec


class Ceiling(BaseModel):
    """The roofline of decoding for one request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens_per_s: float
    bandwidth_bytes_per_s: int
    weights_bytes: int

    def usd_per_million_tokens(self, usd_per_day: Decimal) -> Decimal:
        """What a million tokens cost at the ceiling, one request at a time, USD."""
        per_day = Decimal(self.tokens_per_s) * units.SECONDS_PER_DAY
        return usd_per_day / per_day * 1_000_000

    def lines(self) -> tuple[str, ...]:
        """Explain it."""
        terabytes = self.bandwidth_bytes_per_s / 10**12
        return (
            (
                f"one request: at most {self.tokens_per_s:.0f} tokens/s "
                f"({terabytes:.2f} TB/s over {units.size(self.weights_bytes)} per token, no speculation)"
            ),
        )


def ceiling(spec: DeploymentSpec) -> Ceiling | None:
    """Return the ceiling; None if the release has no such checkpoint."""
    if spec.checkpoint is None:
        return None
    bandwidth = spec.shape.count * spec.gpu.bandwidth_gb_s * units.GB
    size = spec.checkpoint.weights_bytes
    return Ceiling(
        tokens_per_s=bandwidth / size, bandwidth_bytes_per_s=bandwidth, weights_bytes=size
    )
