"""What one server's spot market asks now; for the story of an order that was outbid.

The fields of an offer differ between sources (`bid` or `price`, `active`, `my`), so each row is read
as far as it can be, and nothing is decided by it: it only makes a message more exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from clore_inference.market.price import USD, all_in, exact
from clore_inference.market.wire import as_amount


@dataclass(frozen=True)
class Bidding:
    """A server's bids and floor, USD per day with the renter's fee; None where there is none."""

    highest: Decimal | None
    least: Decimal | None

    @property
    def asks(self) -> Decimal | None:
        """What has to be beaten or met."""
        return self.highest if self.highest is not None else self.least

    def beats(self, usd_per_day: Decimal) -> bool:
        """Whether somebody else bids more than this."""
        return self.highest is not None and self.highest > usd_per_day


def bidding_of(body: Mapping[str, Any], currency: str) -> Bidding:
    """Read GET /spot_marketplace; what cannot be read is not there."""
    market = _object(body.get("market"))
    rate = Decimal(1) if currency == USD else _rate(market, currency)
    if rate is None:
        return Bidding(None, None)
    offers = market.get("offers")
    rows = offers if isinstance(offers, list) else []
    bids = [bid for one in rows if (bid := _bid(one)) is not None]
    floor = as_amount(_object(_object(market.get("server")).get("min_pricing")).get(currency))
    return Bidding(
        all_in(exact(max(bids)) * rate, "spot") if bids else None,
        all_in(exact(floor) * rate, "spot") if floor else None,
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _rate(market: Mapping[str, Any], currency: str) -> Decimal | None:
    found = as_amount(_object(market.get("currency_rates_in_usd")).get(currency))
    return exact(found) if found else None


def _bid(row: object) -> float | None:
    """What somebody else bids."""
    offer = _object(row)
    if offer.get("my") is True or offer.get("active") is False:
        return None
    return as_amount(offer.get("bid", offer.get("price")))
