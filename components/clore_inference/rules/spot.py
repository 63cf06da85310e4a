"""Rules about spot orders: what is bid, and what a bid means for the endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from clore_inference.rules.facts import Facts
from clore_inference.rules.rule import CLORE, Rule
from clore_inference.units import usd


def _bid(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None or spec.spot_bid_usd_per_day is None:
        return
    bid, cap = spec.spot_bid_usd_per_day, spec.max_usd_per_day
    if spec.order_type != "spot":
        yield f"spotBidUsdPerDay is {usd(bid)}, but orderType is {spec.order_type}: nothing is bid."
    elif bid >= cap:
        yield (
            f"spotBidUsdPerDay is {usd(bid)}, not below the cap of {usd(cap)} (maxUsdPerDay): an order "
            "at the cap could not be paid for if anything moved."
        )


def _ends(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None or spec.order_type != "spot" or spec.host != "clore":
        return
    yield (
        "orderType is spot: whoever bids more gets the server at once, without notice, and the "
        "endpoint, its weights and its cache end with the order. The bid is never raised by itself."
    )


RULES: Final = (
    Rule(
        "clore-spot-limit-bid", "mandatory", "a spot bid is below the cap", CLORE,
        "Set spotBidUsdPerDay below maxUsdPerDay, with orderType: spot.", _bid,
        ("spotBidUsdPerDay", "orderType", "maxUsdPerDay"),
    ),
    Rule(
        "clore-spot-watch-outbid", "warning", "an endpoint that can be outbid may end any time", CLORE,
        "Set orderType: on-demand where the endpoint must stay; after an end, `pulumi up` bids anew.",
        _ends, ("orderType",),
    ),
)  # fmt: skip
