"""The most that a deployment can cost, in exact decimals.

Clore quotes a price per day for the whole server and bills by the second; on top come a renter's
fee of 5 % on demand or 1.25 % on spot, and 0.10 USD per order. Source: https://docs.clore.ai and published orders
(`creation_fee: 0.1`).
"""

from decimal import ROUND_FLOOR, Decimal
from typing import Final

from pydantic import BaseModel, ConfigDict

from clore_inference import units
from clore_inference.sizing.deadline import acceptance
from clore_inference.spec import DeploymentSpec

RENTER_FEE: Final = Decimal("0.05")
"""On top of the listed price, on demand."""
SPOT_RENTER_FEE: Final = Decimal("0.0125")
"""On top of the bid of a spot order."""
CREATION_FEE_USD: Final = Decimal("0.10")
"""Once per order, also for one that is cancelled at once."""
LONGEST_TERM_HOURS: Final = 3000
"""The longest rental that https://docs.clore.ai names: where even a forgotten order ends."""


class Price(BaseModel):
    """The worst case of the bill, USD."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cap_per_day: Decimal
    """Renter's fee included."""
    listed_cap_per_day: Decimal
    """The most that a listing may say, or a bid: the cap without the fee."""
    fee_share: Decimal
    """The renter's fee that the caps include."""
    is_spot: bool
    creation_fee: Decimal
    orders: int
    """Most orders that one `up` can make: the first and its replacements."""
    trial_hours: Decimal
    """How long servers that are turned down may be billed, in all: replacements x deadline."""
    term_hours: Decimal
    worst_day: Decimal
    worst_term: Decimal
    """For `term_hours`, the shortest term that the spec accepts, after every trial has failed."""
    cap_total: Decimal | None
    """`maxUsdTotal`, where it is set."""
    worst_total: Decimal
    """In all, if nobody ever ends it."""
    last_hours: Decimal
    """How long that is: to the cap in all, or the marketplace's longest rental."""

    @property
    def per_hour(self) -> Decimal:
        """The cap, per hour."""
        return units.per_hour(self.cap_per_day)

    def until(self, hours: float) -> Decimal:
        """What an order at the cap costs that ends by itself after `hours`, trials and fees included."""
        lasting = Decimal(str(hours)) + self.trial_hours
        return units.usd_ceiling(self.per_hour * lasting + self.creation_fee * self.orders)

    def lines(self) -> tuple[str, ...]:
        """Explain it."""
        return (
            (
                f"at most {units.usd(self.cap_per_day)} a day ({units.usd(self.per_hour)} an hour) for "
                f"the whole server, {_percent(self.fee_share)} renter fee included: "
                f"{'bids' if self.is_spot else 'offers'} up to "
                f"{units.usd(self.listed_cap_per_day)} a day"
            ),
            (
                f"worst case {units.usd(self.worst_day)} for a day, {units.usd(self.worst_term)} for "
                f"{self.term_hours:g} h, with {self.orders} creation fee(s) of "
                f"{units.usd(self.creation_fee)}; it bills until it is destroyed or its term ends"
            ),
            f"in all at most {units.usd(self.worst_total)}, if nobody ends it: {self.bound}",
        )

    @property
    def bound(self) -> str:
        """What ends a deployment that everybody forgets."""
        if self.cap_total == self.worst_total:
            return "maxUsdTotal is the bound; no order is made that could cost more by its own end"
        return (
            f"no rental on Clore lasts longer than {LONGEST_TERM_HOURS:,} h; maxUsdTotal bounds it"
        )


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f}%"


def price(spec: DeploymentSpec) -> Price:
    """Return the worst case of a spec; needs no market."""
    cap, total = spec.max_usd_per_day, spec.max_usd_total
    is_spot = spec.order_type == "spot"
    fee_share = SPOT_RENTER_FEE if is_spot else RENTER_FEE
    orders = 1 + spec.max_replacements
    fees = CREATION_FEE_USD * orders
    hours = Decimal(str(spec.min_term_hours))
    trials = Decimal(str(acceptance(spec).seconds)) / 3600 * spec.max_replacements
    hourly = units.per_hour(cap)
    worst_total = units.usd_ceiling(hourly * (LONGEST_TERM_HOURS + trials) + fees)
    bounded = total is not None and total < worst_total
    return Price(
        cap_per_day=cap,
        listed_cap_per_day=(cap / (1 + fee_share)).quantize(units.CENT, ROUND_FLOOR),
        fee_share=fee_share,
        is_spot=is_spot,
        creation_fee=CREATION_FEE_USD,
        orders=orders,
        trial_hours=trials,
        term_hours=hours,
        worst_day=units.usd_ceiling(cap + fees),
        worst_term=units.usd_ceiling(hourly * (hours + trials) + fees),
        cap_total=total,
        worst_total=total if total is not None and bounded else worst_total,
        last_hours=_lasts(total, hourly, trials, fees),
    )


def _lasts(total: Decimal | None, hourly: Decimal, trials: Decimal, fees: Decimal) -> Decimal:
    if total is None:
        return Decimal(LONGEST_TERM_HOURS)
    affordable = max(Decimal(0), (total - fees) / hourly - trials)
    return min(affordable, Decimal(LONGEST_TERM_HOURS))
