"""What this package takes for granted of the real API, held against what the API just answered.

Each is inferred from documentation, recordings or other people's clients, and money hangs on it. All
of it is read from listings, so checking costs nothing; what no listing can show is not here.
Source of each: https://docs.clore.ai and published clients, as the module says that relies on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from clore_inference.market.gpu_name import counted, squashed
from clore_inference.market.ownership import Mark, same_image
from clore_inference.market.price import CREATION_FEE_USD, USD, exact
from clore_inference.market.wire import Order, ServerList, Wallet
from clore_inference.units import SECONDS_PER_DAY

Verdict = Literal["holds", "unproven", "broken"]

LONGEST_TERM_HOURS: Final = 3000
"""The longest rental that Clore's documentation names; more would be another unit."""
LEAST_SHARE: Final = 0.9
"""Some rows of the market are odd; an assumption is about nearly all of them."""
SPEND_TOLERANCE: Final = 0.05
"""Of what price and time say; an order's row can be some seconds old."""
LONG_ENOUGH_S: Final = 600.0
"""Before that, some seconds of lag are more than the tolerance."""


@dataclass(frozen=True)
class Assumption:
    """One assumption, and what the answers say of it."""

    name: str
    verdict: Verdict
    text: str


def of_market(
    market: ServerList, server_time: float | None, wanted: Collection[str]
) -> Iterator[Assumption]:
    """Judge GET /marketplace; `wanted` are the GPU names that this package would rent."""
    servers, total = market.servers, len(market.servers) + market.malformed
    yield _judged(
        "clock",
        server_time is not None,
        "answers carry the marketplace's clock",
        "answers carry no Date header: young orders and terms cannot be told; nothing is swept",
    )
    readable = bool(total) and len(servers) >= LEAST_SHARE * total
    yield _judged("offers", readable, *[f"{len(servers):,} of {total:,} offers can be read"] * 2)
    terms = sum(0 < one.mrl <= LONGEST_TERM_HOURS for one in servers)
    yield _share("term-hours", terms, len(servers), "offers give their longest rental in hours")
    named = sum(counted(one.specs.gpu) is not None for one in servers)
    yield _share("gpu-names", named, len(servers), "offers name their GPUs as `4x NAME`")
    both = [(one.on_demand.get(USD), one.usd.get("on_demand_usd")) for one in servers]
    told = [(a, b) for a, b in both if a and isinstance(b, int | float) and b]
    agree = sum(abs(float(a) - float(b)) <= SPEND_TOLERANCE * float(a) for a, b in told)
    yield _share("usd-price", agree, len(told), "offers show one USD price in both places")
    yield _datacenter_names(market, wanted)


def _datacenter_names(market: ServerList, wanted: Collection[str]) -> Assumption:
    """Whether an H100 or H200 goes under a name that would be passed over."""
    known = {squashed(one) for one in wanted}
    kinds = {name for one in market.servers if (name := _squashed_name(one.specs.gpu))}
    ours = {name for name in kinds if "h100" in name or "h200" in name}
    strange = sorted(ours - known)
    if strange:
        names = ", ".join(strange[:5])
        text = f"H100 or H200 under names that are passed over: {names}. Please report them"
        return Assumption("gpu-spelling", "broken", text)
    if not ours:
        return Assumption("gpu-spelling", "unproven", "no H100 or H200 is listed now")
    return Assumption("gpu-spelling", "holds", f"{len(ours)} spelling(s) of H100 and H200 known")


def _squashed_name(gpu: str) -> str:
    found = counted(gpu)
    return found[1] if found else ""


def of_wallets(wallets: Sequence[Wallet]) -> Iterator[Assumption]:
    """Judge GET /wallets: what tells one account from another."""
    yield _judged(
        "account",
        any(wallet.deposit for wallet in wallets),
        "a deposit address tells this account from others",
        "no wallet shows a deposit address: open the Wallets page on https://clore.ai once",
    )
    names = ", ".join(wallet.name for wallet in wallets)
    yield _judged(
        "usd-wallet", any(wallet.name == USD for wallet in wallets), *[f"wallets: {names}"] * 2
    )


def of_orders(
    active: Sequence[Order], completed: Sequence[Order], server_time: float | None
) -> Iterator[Assumption]:
    """Judge GET /my_orders, active and with completed ones."""
    closed = [order for order in completed if order.closed]
    dated = [order for order in closed if order.created_at and order.order_end]
    yield _of_some(
        "ended-orders", len(dated), len(closed), "ended orders stay listed, with their end"
    )
    # Not is_active: that is where a term in another unit would make running orders look ended.
    running = [order for order in active if not order.closed]
    termed = [order for order in running if (order.term_s or 0) >= 3600]
    yield _of_some("term-seconds", len(termed), len(running), "orders give their term in seconds")
    fees = [order for order in (*running, *closed) if order.currency == USD]
    usual = [one for one in fees if one.creation_fee is None or _fee_is_usual(one)]
    yield _of_some("creation-fee", len(usual), len(fees), f"an order costs {CREATION_FEE_USD} once")
    billed = [one for one in _spans(running, closed, server_time) if one[1] >= LONG_ENOUGH_S]
    exactly = [order for order, seconds in billed if _is_per_second(order, seconds)]
    text = "prices are per day and billed by the second"
    yield _of_some("billing", len(exactly), len(billed), text)


def _fee_is_usual(order: Order) -> bool:
    return order.creation_fee is not None and exact(order.creation_fee) == CREATION_FEE_USD


def _spans(
    running: Sequence[Order], closed: Sequence[Order], server_time: float | None
) -> Iterator[tuple[Order, float]]:
    for order in (*running, *closed):
        end = order.order_end or server_time
        if order.created_at is not None and end is not None and order.spend and order.price:
            yield order, end - order.created_at


def _is_per_second(order: Order, seconds: float) -> bool:
    expected = (order.price or 0) * seconds / SECONDS_PER_DAY
    return abs((order.spend or 0) - expected) <= SPEND_TOLERANCE * expected


def of_mark(
    order: Order, mark: Mark, ports: Collection[int], image: str | None
) -> Iterator[Assumption]:
    """Judge, on an order that we hold, whether a listing echoes what recognises it.

    `ports` are the TCP ports that were requested beside the mark. Without the echo an order cannot
    be told from others after its state is lost.
    """
    if not order.ports:
        yield Assumption("mark", "unproven", f"order {order.id} shows no ports yet")
        return
    missing = sorted({*mark, *ports} - order.ports.keys())
    yield _judged(
        "mark",
        not missing,
        f"order {order.id} echoes every requested TCP port: it is recognised without any state",
        f"order {order.id} does not echo port(s) {missing}. A lost order could not be recognised: "
        "rent nothing more, and please report it",
    )
    if image is not None and order.image is not None:
        yield _judged(
            "image",
            same_image(order.image, image),
            f"order {order.id} shows the image that was asked for",
            f"order {order.id} shows another image than the one that was asked for; please report it",
        )


def _judged(name: str, holds: bool, good: str, bad: str) -> Assumption:  # noqa: FBT001
    return Assumption(name, "holds" if holds else "broken", good if holds else bad)


def _share(name: str, count: int, total: int, what: str) -> Assumption:
    if not total:
        return Assumption(name, "unproven", f"nothing to judge by: {what}")
    verdict: Verdict = "holds" if count >= LEAST_SHARE * total else "broken"
    return Assumption(name, verdict, f"{count:,} of {total:,} {what}")


def _of_some(name: str, count: int, total: int, what: str) -> Assumption:
    if not total:
        return Assumption(name, "unproven", f"no order to judge by: {what}")
    verdict: Verdict = "holds" if count == total else "broken"
    return Assumption(name, verdict, f"{what}: so in {count} of {total} order(s)")
