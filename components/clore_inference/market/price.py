"""What a server costs, all in, exactly as Clore computes it.

A price is per day for the whole server, in the currency's own unit; billing is by the second. On top
come a renter's fee on every day and a creation fee per order. Sources: https://docs.clore.ai (fees
of 10 % and 2.5 %, shared with the host), clients that budget 5 % and 1.25 % for the renter, and
published orders (`creation_fee: 0.1`).
"""

from __future__ import annotations

from decimal import Decimal
from statistics import median
from typing import Final

from clore_inference import units
from clore_inference.market.request import OrderType
from clore_inference.market.wire import Order, Server, ServerList

RENTER_FEE_SHARE: Final[dict[OrderType, Decimal]] = {
    "on-demand": Decimal("0.05"),
    "spot": Decimal("0.0125"),
}
CREATION_FEE_USD: Final = Decimal("0.10")
USD: Final = "USD-Blockchain"
COIN_HEADROOM: Final = Decimal("0.01")
"""What a coin may rise against the dollar in the seconds between a listing and the order behind it;
the required price holds the coin's own figure, and nothing holds the rate."""

_USD_FIELD: Final = {
    USD: "on_demand_usd",
    "bitcoin": "on_demand_btc",
    "CLORE-Blockchain": "on_demand_clore",
}


def exact(number: float) -> Decimal:
    """The decimal that a JSON number shows."""
    return Decimal(str(number))


def usd_rate(market: ServerList, currency: str) -> Decimal | None:
    """USD for one unit of `currency`, the median over all offers that price it in both."""
    if currency == USD:
        return Decimal(1)
    rates = [rate for server in market.servers if (rate := _rate(server, currency)) is not None]
    return median(rates) if rates else None


def _rate(server: Server, currency: str) -> Decimal | None:
    native = server.on_demand.get(currency)
    dollars = server.usd.get(_USD_FIELD.get(currency, ""))
    if not native or not isinstance(dollars, int | float) or isinstance(dollars, bool):
        return None
    return exact(dollars) / exact(native) if dollars > 0 and native > 0 else None


def headroom(currency: str) -> Decimal:
    """The share below a cap in dollars that an offer in a currency must keep."""
    return Decimal(0) if currency == USD else COIN_HEADROOM


def all_in(usd_per_day: Decimal, order_type: OrderType = "on-demand") -> Decimal:
    """A day's price with the renter's fee."""
    return usd_per_day * (1 + RENTER_FEE_SHARE[order_type])


def order_usd_per_day(
    order: Order, rate: Decimal | None, order_type: OrderType | None = None
) -> Decimal | None:
    """What an order costs a day, all in; None where the row or the rate does not say.

    Without `order_type` the row says whether it is spot, and one that says nothing is on demand,
    which is the dearer. Some rows had a `fee` of unknown unit; read as an amount per day it can only raise the result.
    """
    if order.price is None or rate is None:
        return None
    price = exact(order.price) * rate
    shown = price + exact(order.fee) * rate if order.fee else price
    return max(all_in(price, order_type or type_of(order)), shown)


def type_of(order: Order) -> OrderType:
    """What its row says; some clients never saw `spot`, so silence means on demand."""
    return "spot" if order.spot is True else "on-demand"


def spent_usd(order: Order, rate: Decimal | None, server_time: float | None) -> Decimal | None:
    """What an order has cost so far, with both fees; `spend` itself leaves them out."""
    if rate is None:
        return None
    spend = order.spend
    if spend is None:
        if order.price is None or order.created_at is None or server_time is None:
            return None
        spend = order.price * max(0.0, server_time - order.created_at) / units.SECONDS_PER_DAY
    fee = CREATION_FEE_USD if order.creation_fee is None else exact(order.creation_fee) * rate
    return all_in(exact(spend) * rate, type_of(order)) + fee
