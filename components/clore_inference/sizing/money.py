"""The most that a deployment can cost, in exact decimals.

Clore quotes a price per day for the whole server and bills by the second; on top come a renter's
fee of 5 % on demand and 0.10 USD per order. Source: https://docs.clore.ai and published orders
(`creation_fee: 0.1`).
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Final

from pydantic import BaseModel, ConfigDict

from clore_inference import units
from clore_inference.spec import DeploymentSpec

RENTER_FEE: Final = Decimal("0.05")
"""On top of the listed price, on demand."""
CREATION_FEE_USD: Final = Decimal("0.10")
"""Once per order, also for one that is cancelled at once."""


class Price(BaseModel):
    """The worst case of the bill, USD."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cap_per_day: Decimal
    """Renter's fee included."""
    listed_cap_per_day: Decimal
    """The most that a listing may say: the cap without the fee."""
    creation_fee: Decimal
    orders: int
    """Most orders that one `up` can make: the first and its replacements."""
    term_hours: Decimal
    worst_day: Decimal
    worst_term: Decimal
    """For `term_hours`, the shortest term that the spec accepts."""

    @property
    def per_hour(self) -> Decimal:
        """The cap, per hour."""
        return units.per_hour(self.cap_per_day)

    def lines(self) -> tuple[str, ...]:
        """Explain it."""
        return (
            (
                f"at most {units.usd(self.cap_per_day)} a day ({units.usd(self.per_hour)} an hour) for "
                f"the whole server, {RENTER_FEE:.0%} renter fee included: offers up to "
                f"{units.usd(self.listed_cap_per_day)} a day"
            ),
            (
                f"worst case {units.usd(self.worst_day)} for a day, {units.usd(self.worst_term)} for "
                f"{self.term_hours:g} h, with {self.orders} creation fee(s) of "
                f"{units.usd(self.creation_fee)}; it bills until it is destroyed or its term ends"
            ),
        )


def price(spec: DeploymentSpec) -> Price:
    """Return the worst case of a spec; needs no market."""
    cap = spec.max_usd_per_day
    orders = 1 + spec.max_replacements
    fees = CREATION_FEE_USD * orders
    hours = Decimal(str(spec.min_term_hours))
    return Price(
        cap_per_day=cap,
        listed_cap_per_day=(cap / (1 + RENTER_FEE)).quantize(units.CENT, ROUND_FLOOR),
        creation_fee=CREATION_FEE_USD,
        orders=orders,
        term_hours=hours,
        worst_day=units.usd_ceiling(cap + fees),
        worst_term=units.usd_ceiling(units.per_hour(cap) * hours + fees),
    )
