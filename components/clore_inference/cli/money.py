"""What `doctor` says about the account: orders and wallets, and whether the API is as assumed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from clore_inference.catalog import catalog
from clore_inference.cli.account import market_of
from clore_inference.cli.billing import OURS, Bill, burning
from clore_inference.cli.row import Row, State
from clore_inference.cli.stack import Run
from clore_inference.cli.survey import Known, Survey, surveyed
from clore_inference.cli.wallet import funds
from clore_inference.cli.wish import Wish
from clore_inference.errors import CloreInferenceError, ConfigError, WrongAccount
from clore_inference.market import assumptions
from clore_inference.market.assumptions import Assumption
from clore_inference.market.fingerprint import in_short
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.ownership import mark, project_port
from clore_inference.market.price import exact
from clore_inference.market.wire import Order
from clore_inference.rules import Facts, rule
from clore_inference.units import SECONDS_PER_HOUR, duration, usd

ABOUT_THE_ACCOUNT: Final = ("clore-wallet-outlast-term", "clore-term-outlast-wish")
SHORT_HOURS: Final = 24
"""A wallet or a term that lasts for less is worth a line of its own."""
STATES: Final[dict[assumptions.Verdict, State]] = {
    "holds": "ok",
    "unproven": "note",
    "broken": "bad",
}


def account(wish: Wish, known: Known, environment: Mapping[str, str], run: Run) -> Iterator[Row]:
    """The marketplace, the account behind the key, and this project's orders."""
    try:
        key = known.key(environment, run)
        market = market_of(wish, key)
        listing = market.client.marketplace()
        yield Row(
            "marketplace", "ok", f"{wish.api_url} lists {len(listing.rows.servers):,} servers"
        )
        names = {name for gpu in catalog().gpu for name in gpu.market_names}
        yield from judged(assumptions.of_market(listing.rows, listing.server_time, names))
        if key is None:
            yield Row("account", "note", "no CLORE_API_KEY: orders cannot be looked at")
            return
        yield from _account(market, wish, known, run)
    except WrongAccount as error:
        yield Row("account", "bad", str(error))
    except CloreInferenceError as error:
        yield Row("marketplace", "bad", f"{wish.api_url}: {error}")


def _account(market: Marketplace, wish: Wish, known: Known, run: Run) -> Iterator[Row]:
    try:
        survey = surveyed(market, known, run)
    except ConfigError as error:
        yield Row("state", "note", f"orders are shown without a state: {error.findings[0]}")
        known = Known(directory=known.directory)
        survey = surveyed(market, known, run)
    yield Row("account", "ok", f"{in_short(survey.account)}: what leases remember of it")
    yield from money(survey, has_state=bool(known.stacks))
    yield from by_rules(wish, survey) if known.stacks else ()
    active = market.client.orders()
    completed = market.client.orders(completed=True)
    yield from judged(assumptions.of_wallets(survey.wallets))
    yield from judged(assumptions.of_orders(active.rows, completed.rows, active.server_time))
    yield from judged(echoes(active.rows, survey))


def judged(found: Iterator[Assumption]) -> Iterator[Row]:
    """Assumptions about the API, as rows."""
    for one in found:
        yield Row(f"api {one.name}", STATES[one.verdict], one.text)


def money(survey: Survey, *, has_state: bool) -> Iterator[Row]:
    """Per order and in all: spent, burning, hours left; others as a number only."""
    for bill in survey.ours:
        yield _order(bill, has_state=has_state)
    mine = [bill for bill in survey.ours if bill.standing in OURS]
    spent = sum((bill.spent_usd or Decimal(0) for bill in mine), Decimal(0))
    others = f"; {survey.others} order(s) of others" if survey.others else ""
    yield Row("orders", "ok", f"{burning(mine)}, {usd(spent)} spent so far{others}")
    for fund in funds(survey.wallets, survey.bills, survey.rates):
        hours = fund.hours_left
        short = hours is not None and hours < SHORT_HOURS
        yield Row("wallet", "note" if short else "ok", fund.line())


def by_rules(wish: Wish, survey: Survey) -> Iterator[Row]:
    """What the rules say of the stack's wallet and of the end of each order that it holds."""
    facts = Facts.of_values(wish.values)
    if facts.spec is None or facts.reading:
        return  # `plan` says what is wrong with it
    currency, rates = facts.spec.currency, survey.rates
    paying = next((one.balance for one in survey.wallets if one.name == currency), None)
    has = None if paying is None or currency not in rates else exact(paying) * rates[currency]
    ends = [one.ends_in_s for one in survey.ours if one.standing == "held"]
    for end in ends or [None]:
        hours = None if end is None else end / SECONDS_PER_HOUR
        known = replace(facts, wallet_usd=has, term_hours=hours)
        found = (rule(name).run(known) for name in ABOUT_THE_ACCOUNT)
        yield from (Row("rule", "note", one.text) for told in found for one in told)


def _order(bill: Bill, *, has_state: bool) -> Row:
    parts = [f"server {bill.server_id}", bill.usd_per_hour]
    if bill.age_s is not None:
        parts.append(f"{duration(bill.age_s)} old")
    if bill.spent_usd is not None:
        parts.append(f"{usd(bill.spent_usd)} spent")
    if bill.ends_in_s is not None:
        parts.append(f"ends in {duration(bill.ends_in_s)}")
    if bill.is_spot:
        parts.append("spot: ends at once when somebody bids more")
    soon = bill.ends_in_s is not None and bill.ends_in_s < SHORT_HOURS * 3600
    state: State = "note" if soon else "ok"
    if has_state and bill.standing != "held":
        state = "bad" if bill.standing == "unheld" else "note"
        parts.append(bill.line().partition(": ")[2])
    return Row(f"order {bill.order_id}", state, ", ".join(parts))


def echoes(active: Sequence[Order], survey: Survey) -> Iterator[Assumption]:
    """Whether orders of ours show what recognises them; with a state the full mark, else a part."""
    held = [order for order in active if order.id in survey.state.held]
    for order in held:
        wanted = survey.state.wanted.get(order.id)
        if wanted is not None:
            image, ports = _requested(wanted.request)
            leased = mark(survey.state.project, wanted.lease_id)
            yield from assumptions.of_mark(order, leased, ports, image)
    port = project_port(survey.state.project)
    if not held and (marked := [one.id for one in active if port in one.ports]):
        text = f"the project's port is echoed by order(s) {marked}; --stack checks the full mark"
        yield Assumption("mark", "holds", text)
    elif not held:
        yield Assumption("mark", "unproven", "no order of this project runs; run this again then")


def _requested(text: str) -> tuple[str | None, list[int]]:
    """The image and the TCP ports beside the mark that a lease's request names."""
    try:
        document: Any = json.loads(text)
        ports = [int(port) for port, kind in document["ports"].items() if kind == "tcp"]
        return str(document["image"]), ports
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, []
