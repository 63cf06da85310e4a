"""Rules about money and time: the cap, the currency, the end of the lease."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from clore_inference.rules.facts import Facts
from clore_inference.rules.rule import CLORE, GUIDE, Rule
from clore_inference.sizing import price, startup
from clore_inference.units import duration, usd

FAR_ABOVE: Final = 4
"""Times the guide's upper price: what looks like a slipped digit."""


def _cap(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None or spec.shape.usd_per_day is None or spec.host == "docker":
        return
    low, high = (Decimal(bound) for bound in spec.shape.usd_per_day)
    cap = spec.max_usd_per_day
    seen = f"the guide saw {spec.topology} at {usd(low)} to {usd(high)} a day"
    if cap < low:
        yield f"maxUsdPerDay is {usd(cap)}; {seen}: nothing may fit."
    if cap > FAR_ABOVE * high:
        yield f"maxUsdPerDay is {usd(cap)}; {seen}: is a digit too many?"


def _total(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None or spec.max_usd_total is None:
        return
    bill = price(spec)
    if spec.max_usd_total < bill.worst_term:
        yield (
            f"maxUsdTotal is {usd(spec.max_usd_total)}; {spec.min_term_hours:g} h (minTermHours) at "
            f"{usd(spec.max_usd_per_day)} a day can cost {usd(bill.worst_term)} with fees: a server "
            "at the cap is never rented."
        )


def _open_end(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None or spec.max_usd_total is not None or spec.host != "clore":
        return
    if spec.is_emulated:
        return  # nobody's money
    bill = price(spec)
    yield (
        "maxUsdTotal is not set: a deployment that everybody forgets bills until its server's "
        f"longest rental is over, up to {usd(bill.worst_total)}."
    )


def _currency(facts: Facts) -> Iterator[str]:
    if facts.spec and facts.spec.currency != "USD-Blockchain":
        yield f"currency is {facts.spec.currency}: its rate moves, and the cap with it."


def _term(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None or facts.term_hours is None or facts.term_hours >= spec.min_term_hours:
        return
    yield (
        f"The lease ends in {duration(facts.term_hours * 3600)}, before the {spec.min_term_hours:g} h "
        "that minTermHours asks for; the endpoint ends with it."
    )


def _worth_starting(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None:
        return
    start = startup(spec).seconds
    if spec.host == "docker":
        return
    if start > spec.min_term_hours * 3600 / 2:
        yield (
            f"A cold start takes about {duration(start)}, more than half of the "
            f"{spec.min_term_hours:g} h after which a lease may end."
        )


def _wallet(facts: Facts) -> Iterator[str]:
    spec = facts.spec
    if spec is None or facts.wallet_usd is None:
        return
    bill = price(spec)
    if facts.wallet_usd >= bill.worst_term:
        return
    fees = bill.creation_fee * bill.orders
    hours = max(Decimal(0), facts.wallet_usd - fees) / bill.per_hour
    yield (
        f"The wallet holds {usd(facts.wallet_usd)}; {spec.min_term_hours:g} h can cost "
        f"{usd(bill.worst_term)} in all: at the cap it is empty after "
        f"{duration(float(hours) * 3600)}, and the order ends with it."
    )


RULES: Final = (
    Rule(
        "clore-budget-check-cap", "warning", "the cap is near what the market asks", GUIDE,
        "Set maxUsdPerDay near the market's price; it includes the 5 % renter fee.", _cap,
        ("maxUsdPerDay", "topology"),
    ),
    Rule(
        "clore-budget-match-total", "mandatory", "the cap in all pays for the shortest term", GUIDE,
        "Raise maxUsdTotal, or lower maxUsdPerDay or minTermHours.", _total,
        ("maxUsdTotal", "maxUsdPerDay", "minTermHours", "maxReplacements", "acceptDeadlineMinutes"),
    ),
    Rule(
        "clore-budget-limit-total", "warning", "what is forgotten ends by itself", CLORE,
        "Set maxUsdTotal: only servers are rented whose longest rental costs less.", _open_end,
        ("maxUsdTotal", "maxUsdPerDay", "host", "apiUrl"),
    ),
    Rule(
        "clore-budget-prefer-usd", "warning", "the cap does not float", CLORE,
        "Set currency: USD-Blockchain.", _currency, ("currency",),
    ),
    Rule(
        "clore-term-outlast-wish", "warning", "the lease lasts as long as wanted", CLORE,
        "Raise `generation` before the end: the successor is proven before the old one goes.",
        _term, ("minTermHours",), seen="preview",
    ),
    Rule(
        "clore-wallet-outlast-term", "warning", "the wallet pays for the term", CLORE,
        "Add funds to the wallet on Clore.ai, or lower maxUsdPerDay or minTermHours.", _wallet,
        ("maxUsdPerDay", "minTermHours", "maxReplacements", "currency"), seen="preview",
    ),
    Rule(
        "clore-term-outlast-start", "warning", "the term is worth its cold start", CLORE,
        "Raise minTermHours or minDownMbps.", _worth_starting,
        ("minTermHours", "minDownMbps", "topology", "precision"),
    ),
)  # fmt: skip
