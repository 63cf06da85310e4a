"""What a warden holds an account to, and which orders may end for it; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from clore_inference.cli.billing import OURS, Bill
from clore_inference.cli.survey import Survey
from clore_inference.cli.wallet import funds
from clore_inference.market.sweep import Condemned
from clore_inference.units import duration, per_hour, usd

YOUNG_S: Final = 60.0
"""A younger order may belong to a command whose state is not written yet."""

Kind = Literal[
    "unclaimed", "above-burn", "above-spent", "too-old", "idle", "ends-soon", "wallet-short"
]
"""Stable: scripts read them."""


@dataclass(frozen=True)
class Limits:
    """Each may be absent; times are marketplace seconds."""

    burn_usd_per_hour: Decimal | None = None
    spent_usd: Decimal | None = None
    age_s: float | None = None
    idle_s: float | None = None
    ends_within_s: float = 0
    wallet_hours: Decimal = Decimal(0)


@dataclass(frozen=True)
class Breach:
    """One thing that does not hold."""

    kind: Kind
    text: str
    order_id: int | None = None
    ends: tuple[int, ...] = ()
    """The orders whose end would cure it."""


def breaches(survey: Survey, limits: Limits, idle_for: Mapping[int, float]) -> tuple[Breach, ...]:
    """Return everything that does not hold; `idle_for` are seconds without work, by order."""
    mine = [bill for bill in survey.ours if bill.standing in OURS]
    return (
        *_unclaimed(survey),
        *_burn(mine, limits),
        *_spent(mine, limits),
        *(one for bill in mine for one in _of_order(bill, limits, idle_for)),
        *_wallets(survey, limits),
    )


def is_claimed(bill: Bill, survey: Survey) -> bool:
    """Whether a state holds it, its lease was named, or an update is at work on it."""
    if bill.standing == "held":
        return True
    is_named = bool(bill.lease_id) and bill.lease_id not in survey.state.accounts
    is_coming = bill.lease_id in survey.state.accounts and bool(survey.state.pending)
    return is_named or is_coming


def _unclaimed(survey: Survey) -> Iterator[Breach]:
    for bill in survey.loose:
        if is_claimed(bill, survey) or (bill.age_s is not None and bill.age_s < YOUNG_S):
            continue
        ends = (bill.order_id,) if bill.lease_id else ()
        yield Breach("unclaimed", bill.line(), bill.order_id, ends)


def _burn(mine: Sequence[Bill], limits: Limits) -> Iterator[Breach]:
    cap = limits.burn_usd_per_hour
    burn = sum((per_hour(bill.usd_per_day or Decimal(0)) for bill in mine), Decimal(0))
    if cap is None or burn <= cap:
        return
    ends, left = [], burn
    for bill in sorted(mine, key=lambda one: (one.age_s or 0, -one.order_id)):
        if left <= cap:
            break
        if bill.lease_id:
            ends.append(bill.order_id)
            left -= per_hour(bill.usd_per_day or Decimal(0))
    text = f"{len(mine)} order(s) burn {usd(burn)}/h, above the limit of {usd(cap)}/h"
    yield Breach("above-burn", text, ends=tuple(ends))


def _spent(mine: Sequence[Bill], limits: Limits) -> Iterator[Breach]:
    cap = limits.spent_usd
    spent = sum((bill.spent_usd or Decimal(0) for bill in mine), Decimal(0))
    if cap is None or spent <= cap:
        return
    text = f"the orders that run have cost {usd(spent)} so far, above the limit of {usd(cap)}"
    yield Breach("above-spent", text, ends=tuple(one.order_id for one in mine if one.lease_id))


def _of_order(bill: Bill, limits: Limits, idle_for: Mapping[int, float]) -> Iterator[Breach]:
    where = f"order {bill.order_id} on server {bill.server_id}"
    ends = (bill.order_id,) if bill.lease_id else ()
    if limits.age_s is not None and bill.age_s is not None and bill.age_s > limits.age_s:
        text = f"{where} has run for {duration(bill.age_s)}, longer than {duration(limits.age_s)}"
        yield Breach("too-old", text, bill.order_id, ends)
    idle_s = idle_for.get(bill.order_id, 0)
    if limits.idle_s is not None and idle_s > limits.idle_s:
        text = f"{where} has generated nothing for {duration(idle_s)}"
        yield Breach("idle", f"{text}, at {bill.usd_per_hour}", bill.order_id, ends)
    if bill.ends_in_s is not None and bill.ends_in_s < limits.ends_within_s:
        text = f"{where} ends in {duration(bill.ends_in_s)}, with everything on it. Raise the "
        text += "configuration key `generation` and run `pulumi up`, which proves a successor first"
        yield Breach("ends-soon", text, bill.order_id)


def _wallets(survey: Survey, limits: Limits) -> Iterator[Breach]:
    for fund in funds(survey.wallets, survey.bills, survey.rates):
        hours = fund.hours_left
        if hours is not None and hours < limits.wallet_hours:
            text = f"{fund.line()}. Then its orders end. Deposit on https://clore.ai"
            yield Breach("wallet-short", text)


def condemned(survey: Survey, found: Sequence[Breach]) -> tuple[Condemned, ...]:
    """Return the orders that would cure what was found; only those with a full mark that is known."""
    ends = {order_id for breach in found for order_id in breach.ends}
    return tuple(
        Condemned(bill.order_id, bill.server_id, bill.lease_id)
        for bill in survey.ours
        if bill.order_id in ends and bill.lease_id
    )
