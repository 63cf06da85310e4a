"""What an offer would cost under a request: the listed price, or a spot bid. Pure.

A spot order costs its bid, not the floor: `spotprice` is an amount per day in the currency's own
unit, at least the server's `price.spot`, and anybody who bids more ends the order. Only free servers
are bid on: outbidding a stranger is not done. Source: https://docs.clore.ai and published types of
clients of the API, 2026.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Final, NamedTuple

from clore_inference import units
from clore_inference.market.price import (
    CREATION_FEE_USD,
    RENTER_FEE_SHARE,
    USD,
    all_in,
    exact,
    headroom,
)
from clore_inference.market.request import OrderRequest
from clore_inference.market.wire import Server, as_amount

LEAST_STEP: Final = {USD: Decimal("0.01")}
SMALLEST_UNIT: Final = Decimal("0.00000001")
"""Of a coin; a bid is rounded down to what its wallet can hold."""


class Reason(NamedTuple):
    """Why an offer does not fit: a countable kind, and the numbers."""

    kind: str
    detail: str


class Ask(NamedTuple):
    """What a day would cost."""

    native_per_day: int | float
    """In the request's currency: the required price as it was listed, or the bid."""
    usd_per_day: Decimal
    """Renter's fee included."""


def ask(server: Server, request: OrderRequest, usd_rate: Decimal | None) -> Ask | Reason:
    """Return what the offer would cost within the request's cap, or why it does not do.

    `usd_rate` is USD for one unit of the request's currency; None where nobody knows it.
    """
    if usd_rate is None:
        return Reason("no price", f"what a {request.currency} is worth is not known")
    if request.order_type == "spot":
        return _bid(server, request, usd_rate)
    price = listed_usd(server, request, usd_rate)
    if price is None:
        return Reason("no price", f"none in {request.currency}")
    cap = request.max_usd_per_day
    if price * (1 + headroom(request.currency)) > cap:
        return Reason("too dear", f"{_day(price)} with fee, cap {_day(cap)}{_moving(request)}")
    return Ask(server.on_demand[request.currency], price)


def listed_usd(server: Server, request: OrderRequest, rate: Decimal | None) -> Decimal | None:
    """A day's price on demand as it is listed, fee included, whatever the cap; None: not listed."""
    native = server.on_demand.get(request.currency)
    if request.order_type == "spot" or rate is None or native is None or native <= 0:
        return None
    return all_in(exact(native) * rate)


def _bid(server: Server, request: OrderRequest, rate: Decimal) -> Ask | Reason:
    """The configured bid, else the least that the server takes; always below the cap."""
    floor = as_amount(server.spot.get(request.currency))
    if floor is None or floor <= 0:
        return Reason("no spot price", f"takes no bids in {request.currency}")
    bid: int | float = floor
    if request.spot_bid_usd_per_day is not None:
        bid = _native(request.spot_bid_usd_per_day, request.currency, rate)
    least, price = (all_in(exact(one) * rate, "spot") for one in (floor, bid))
    if bid < floor:
        return Reason("bid too low", f"takes {_day(least)} with fee, bid {_day(price)}")
    if price * (1 + headroom(request.currency)) >= request.max_usd_per_day:
        cap = _day(request.max_usd_per_day)
        return Reason("too dear", f"bid {_day(price)} with fee, cap {cap}{_moving(request)}")
    return Ask(bid, price)


def beyond_total(server: Server, request: OrderRequest, asked: Ask) -> Reason | None:
    """Say why an order that nobody ends could cost more than the cap in all; None if it cannot.

    Counted are the server's longest rental, every creation fee, and the time for which servers that
    prove unfit are billed at the cap before.
    """
    if request.max_usd_total is None:
        return None
    trials = exact(request.longest_deadline_s) / units.SECONDS_PER_HOUR * request.max_replacements
    price = asked.usd_per_day * (1 + headroom(request.currency))
    lasting = units.per_hour(price) * exact(server.mrl)
    before = units.per_hour(request.max_usd_per_day) * trials
    most = units.usd_ceiling(lasting + before + CREATION_FEE_USD * (1 + request.max_replacements))
    if most <= request.max_usd_total:
        return None
    cap = units.usd(request.max_usd_total)
    return Reason(
        "too long a term", f"{units.usd(most)} until its end in {server.mrl:g} h, cap {cap}"
    )


def _native(usd_per_day: Decimal, currency: str, rate: Decimal) -> float:
    """A bid as the marketplace takes it: without the fee, rounded down."""
    listed = usd_per_day / (1 + RENTER_FEE_SHARE["spot"]) / rate
    return float(listed.quantize(LEAST_STEP.get(currency, SMALLEST_UNIT), ROUND_DOWN))


def _day(usd_per_day: Decimal) -> str:
    return f"{units.usd(usd_per_day)}/day"


def _moving(request: OrderRequest) -> str:
    share = headroom(request.currency)
    return f" less {share:.0%}, since its rate moves" if share else ""
