"""How an order ended, and what is about to end one: ids, times and money in words; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from clore_inference import units
from clore_inference.market.bidding import Bidding
from clore_inference.market.order import HeldOrder
from clore_inference.market.price import USD, exact, order_usd_per_day, spent_usd
from clore_inference.market.wire import Order

NEAR_S: Final = 86400.0
"""A day is enough to build a successor at leisure: a cold start takes an hour or two."""
NEAR_SHARE: Final = 4
"""Of a short term, only the last quarter counts as near."""
ON_THE_DOT_S: Final = 120.0
"""An end so close to the term is the term's: the marketplace looks about once a minute."""
WALLET_NEAR_HOURS: Final = 24
SPOT: Final = "outbid, by hand, by the server's owner or by Clore"
ON_DEMAND: Final = "by hand, by the server's owner, or by Clore because a wallet was empty"


def how_it_ended(held: HeldOrder, row: Order | None, bidding: Bidding | None = None) -> str:
    """Say which order ended, when, why as far as the API tells, and what it cost.

    `row` is its closed row; None where only its term tells the end. The API names no cause, but the
    server's spot market shows a higher bid where there is one.
    """
    end = row.order_end if row is not None and row.order_end else held.ends_at
    after = units.duration(end - held.created_at)
    early_s = held.ends_at - end
    if early_s <= ON_THE_DOT_S:
        why = f"after {after}: its term is over"
    else:
        why = f"after {after}, {units.duration(early_s)} before its term: "
        why += _cause(held, row, bidding)
    return (
        f"order {held.order_id} on server {held.server_id} ended {_date(end)} {why}. It cost "
        f"{units.usd(_cost(held, row, end))} and bills no more"
    )


def _cause(held: HeldOrder, row: Order | None, bidding: Bidding | None) -> str:
    is_spot = held.order_type == "spot" or (row is not None and row.spot is True)
    if not is_spot:
        return f"{ON_DEMAND}; the API does not say which"
    asks = bidding.asks if bidding is not None else None
    now = "" if asks is None else f", market now {units.usd(asks)}"
    cap = "" if held.cap_usd_per_day is None else f", cap {units.usd(held.cap_usd_per_day)}"
    prices = f"at {units.usd(held.usd_per_day)} a day with fee{now}{cap}"
    if bidding is not None and bidding.beats(held.usd_per_day):
        return f"outbid {prices}"
    return f"{SPOT}; the API does not say which. It was held {prices}"


def _date(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _cost(held: HeldOrder, row: Order | None, end: float) -> Decimal:
    if row is not None and row.currency == USD and (spent := spent_usd(row, Decimal(1), end)):
        return spent
    days = exact(max(0.0, end - held.created_at)) / units.SECONDS_PER_DAY
    return held.usd_per_day * days + held.creation_fee_usd


def offline_notice(held: HeldOrder, row: Order) -> Iterator[str]:
    """Warn of a server that the marketplace cannot reach: nothing answers on it, and it bills."""
    if row.online is not False:
        return
    yield (
        f"server {held.server_id} of order {held.order_id} is offline by the marketplace's own account, "
        f"and the order goes on at {units.usd(units.per_hour(held.usd_per_day))} an hour. Many come back "
        "within minutes with everything on them, so nothing changes by itself. If this one does not: "
        "raise the configuration key `generation` by one and run `pulumi up`, which proves a successor "
        "on another server and then ends this order, or `pulumi destroy`"
    )


def term_notice(held: HeldOrder, ends_at: float, server_time: float | None) -> Iterator[str]:
    """Warn once the end of a term is near; the marketplace then takes host, weights and endpoint."""
    if server_time is None:
        return
    left_s = ends_at - server_time
    if left_s > min(NEAR_S, (ends_at - held.created_at) / NEAR_SHARE):
        return
    yield (
        f"order {held.order_id} on server {held.server_id} ends in {units.duration(left_s)} "
        f"({_date(ends_at)}), and its weights and its endpoint with it. Raise the configuration key "
        "`generation` by one and run `pulumi up`: it builds and proves a successor, then ends this "
        "one. For that time both are billed"
    )


def wallet_notice(
    balances: Mapping[str, float], age_s: float, currency: str | None, active: Sequence[Order]
) -> Iterator[str]:
    """Warn once the wallet behind an order lasts for less than a day of all that it pays for.

    `balances` were read `age_s` ago. Only dollars: what another coin is worth is not asked here.
    """
    balance = balances.get(USD)
    if currency != USD or balance is None:
        return
    paid = [order_usd_per_day(one, Decimal(1)) for one in active if one.currency == USD]
    burn = units.per_hour(sum((one for one in paid if one is not None), Decimal(0)))
    if not burn:
        return
    left = max(Decimal(0), exact(balance) - burn * exact(age_s) / units.SECONDS_PER_HOUR)
    hours = left / burn
    if hours < WALLET_NEAR_HOURS:
        lasts = units.duration(float(hours) * units.SECONDS_PER_HOUR)
        yield (
            f"the {USD} wallet has {units.usd(left)}, which lasts for {lasts} at {units.usd(burn)} "
            f"an hour of its {len(paid)} order(s); then they end. Deposit on https://clore.ai"
        )


def still_burning(held: HeldOrder, lease_id: str) -> str:
    """A destroy's failure as a table: what may go on billing, and the commands that end it."""
    hourly = units.usd(units.per_hour(held.usd_per_day)).removesuffix(" USD")
    return (
        "What may still be burning:\n"
        f"  {'order':<11}{'server':<9}{'USD/h':<8}{'since':<23}at the latest until\n"
        f"  {held.order_id:<11}{held.server_id:<9}{hourly:<8}{_date(held.created_at):<23}"
        f"{_date(held.ends_at)}\n"
        f"What ends it: `pulumi destroy` again; or `clore-inference sweep --lease {lease_id} "
        "--cancel`, which needs no state; or My Orders on https://clore.ai."
    )
