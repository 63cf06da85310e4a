"""Prices, fees and what an order has cost so far.

Prices are per day for the whole server, in the native unit of a currency. Billing is per whole
second. Sources: docs.clore.ai (per-second billing, halved renter fee with proof of holding) and the
recorded orders and server rows of clients of Clore in 2026.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal

OrderType = Literal["on-demand", "spot"]

SECONDS_PER_DAY: Final = 86400
CURRENCIES: Final = ("bitcoin", "CLORE-Blockchain", "USD-Blockchain")
USD_RATES: Final = {
    "bitcoin": Decimal("68022.87"),
    "CLORE-Blockchain": Decimal("0.002705"),
    "USD-Blockchain": Decimal(1),
}
"""USD for one unit; from a recorded answer of `GET /spot_marketplace` in 2026."""
CREATION_FEE_USD: Final = Decimal("0.10")
"""Charged once per order; `creation_fee` of a recorded order of July 2026."""
RENTER_FEE_PERCENT: Final[dict[OrderType, Decimal]] = {
    "on-demand": Decimal(5),
    "spot": Decimal("1.25"),
}
"""On top of the listed price; what three independent clients of Clore budget."""
LEAST_HOURS_PAID: Final = 1
"""Hours that a wallet must cover for an order to be accepted; our assumption, no source."""
SMALLEST_UNIT: Final = Decimal("0.00000001")


def native(usd: Decimal, currency: str) -> Decimal:
    """Convert dollars to a currency at the fixed rate, exact to its smallest unit."""
    return (usd / USD_RATES[currency]).quantize(SMALLEST_UNIT, ROUND_HALF_UP)


def in_usd(amount: Decimal, currency: str) -> Decimal:
    """Convert a native amount to dollars at the fixed rate."""
    return amount * USD_RATES[currency]


def creation_fee(currency: str) -> Decimal:
    """The one-time fee of an order, native."""
    return native(CREATION_FEE_USD, currency)


def spend(price_per_day: Decimal, seconds: int) -> Decimal:
    """What the listing shows as `spend`: without creation fee and renter fee."""
    return price_per_day * seconds / SECONDS_PER_DAY


def with_fee(price_per_day: Decimal, order_type: OrderType) -> Decimal:
    """A day's price with the renter's fee."""
    return price_per_day * (1 + RENTER_FEE_PERCENT[order_type] / 100)


def cost(price_per_day: Decimal, order_type: OrderType, seconds: int, currency: str) -> Decimal:
    """Everything the wallet pays for `seconds` of an order, native, creation fee included."""
    running = spend(with_fee(price_per_day, order_type), seconds)
    return running.quantize(SMALLEST_UNIT, ROUND_HALF_UP) + creation_fee(currency)


def needed_at_start(price_per_day: Decimal, order_type: OrderType, currency: str) -> Decimal:
    """What a wallet must hold for an order to be accepted, native."""
    seconds = LEAST_HOURS_PAID * 3600
    return cost(price_per_day, order_type, seconds, currency)
