"""Whether a host that is only slow is worth leaving: minutes and money, here and elsewhere; pure."""

from decimal import Decimal
from typing import Final

from pydantic import BaseModel, ConfigDict

from clore_inference import units
from clore_inference.sizing.money import CREATION_FEE_USD
from clore_inference.sizing.startup import IMAGE_BYTES, ORDER_S, transfer_s

CAUTION: Final = 1.25
"""A new host must be cheaper by this factor: its link is only advertised so far."""


class Weighed(BaseModel):
    """Both ways to the weights, in seconds and USD, and the cheaper one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measured_mbps: float
    here_s: float
    elsewhere_s: float
    here_usd: Decimal
    elsewhere_usd: Decimal
    keep: bool

    @property
    def words(self) -> str:
        """Say it in one sentence, with the numbers of both ways."""
        here = f"{units.duration(self.here_s)} and {units.usd(self.here_usd)} here"
        there = f"{units.duration(self.elsewhere_s)} and {units.usd(self.elsewhere_usd)}"
        verdict = "it is kept" if self.keep else "it is left"
        return (
            f"its link brings {self.measured_mbps:g} Mbps: the weights take {here}, a new order "
            f"with its fee, image and weights {there}: {verdict}"
        )


def weigh(
    weights_bytes: float, *, measured_mbps: float, expected_mbps: float, usd_per_day: Decimal
) -> Weighed:
    """Compare fetching over this link with a new order over one as it was asked for.

    Both are billed while they fetch. ValueError unless both rates are positive.
    """
    here_s = transfer_s(weights_bytes, measured_mbps)
    elsewhere_s = ORDER_S + transfer_s(IMAGE_BYTES + weights_bytes, expected_mbps)
    per_s = usd_per_day / units.SECONDS_PER_DAY
    here_usd = per_s * Decimal(round(here_s))
    elsewhere_usd = CREATION_FEE_USD + per_s * Decimal(round(elsewhere_s))
    return Weighed(
        measured_mbps=measured_mbps,
        here_s=here_s,
        elsewhere_s=elsewhere_s,
        here_usd=here_usd,
        elsewhere_usd=elsewhere_usd,
        keep=here_usd <= elsewhere_usd * Decimal(str(CAUTION)),
    )
