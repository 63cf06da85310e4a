"""Which offers fit a request, in which order, and why the others do not. Pure, and fast."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from clore_inference.market.asking import Ask, Reason, ask, beyond_total
from clore_inference.market.gpu_name import counted, squashed
from clore_inference.market.request import OrderRequest
from clore_inference.market.wire import Server, ServerList

NEARBY: Final = 3
"""How many offers of the right GPU are explained one by one when none fits."""

_DISK: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*GB\s*\Z")
"""The free size stands at the end, after the model's name (all 3,500 servers of 2024)."""


@dataclass(frozen=True)
class Offer:
    """A server that fits."""

    server: Server
    native_per_day: int | float
    """In the request's currency: the required price as it was listed, or the spot bid."""
    usd_per_day: Decimal
    """Renter's fee included."""


@dataclass(frozen=True)
class Shortlist:
    """The offers that fit, best first, and the story of the rest."""

    offers: tuple[Offer, ...]
    explanation: str
    refused: tuple[tuple[Server, Reason], ...]
    """The offers of the right GPU that do not fit, each with its first reason."""


def fits(
    server: Server,
    request: OrderRequest,
    *,
    usd_rate: Decimal | None = Decimal(1),
    excluded: Mapping[int, str] | None = None,
) -> Reason | None:
    """Return None if the offer fits, else the first reason why it does not.

    `usd_rate` is USD for one unit of the request's currency; `excluded` has servers that were
    turned down, with the reason.
    """
    found = _assessed(server, request, usd_rate, excluded or {})
    return found if isinstance(found, Reason) else None


def _assessed(
    server: Server, request: OrderRequest, usd_rate: Decimal | None, excluded: Mapping[int, str]
) -> Ask | Reason:
    hardware = _hardware(server, request)
    if hardware is not None:
        return hardware
    if server.id in excluded:
        return Reason("turned down before", excluded[server.id])
    asked = _available(server, request, usd_rate)
    if isinstance(asked, Reason):
        return asked
    return _quality(server, request) or beyond_total(server, request, asked) or asked


def _hardware(server: Server, request: OrderRequest) -> Reason | None:
    gpus = counted(server.specs.gpu)
    if gpus is None or gpus[1] not in _accepted(request.gpu_names):
        return Reason("other GPU", server.specs.gpu)
    count, _ = gpus
    if count != request.gpu_count:
        return Reason("other GPU count", f"{count} instead of {request.gpu_count}")
    if server.gpu_array and len(server.gpu_array) != count:
        return Reason(
            "contradicts itself", f"{count} GPUs, of which it lists {len(server.gpu_array)}"
        )
    if server.partial_gpu_rental:
        return Reason("rented in parts", "which GPUs an order would get is not documented")
    return None


@lru_cache(maxsize=16)
def _accepted(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(squashed(name) for name in names)


def _available(server: Server, request: OrderRequest, usd_rate: Decimal | None) -> Ask | Reason:
    if server.rented:
        return Reason("rented", "somebody has it")
    if request.currency not in server.allowed_coins:
        return Reason("other currency", f"takes {', '.join(server.allowed_coins) or 'none'}")
    return ask(server, request, usd_rate)


def _quality(server: Server, request: OrderRequest) -> Reason | None:
    specs = server.specs
    floors = (
        ("too little GPU memory", specs.gpuram, request.min_gpu_memory_gb, "GB each"),
        ("too little disk", disk_gb(specs.disk), request.min_disk_gb, "GB"),
        ("too little memory", specs.ram, request.min_memory_gb, "GiB"),
        ("too slow a network", specs.net.down, request.min_down_mbps, "Mbit/s"),
        ("too narrow PCIe", specs.pcie_width, request.min_pcie_width, "lanes"),
        ("too unreliable", server.reliability, request.min_reliability, "of 1"),
        ("too short a term", server.mrl, request.min_term_hours, "h"),
    )
    for kind, has, needs, unit in floors:
        if has < needs:
            return Reason(kind, f"{has:g} {unit}, needs {needs:g}")
    if request.min_cuda and _version(server.cuda_version or "") < _version(request.min_cuda):
        return Reason("too old a driver", f"CUDA {server.cuda_version}, needs {request.min_cuda}")
    return _country(specs.net.cc.upper(), request)


def _country(code: str, request: OrderRequest) -> Reason | None:
    allowed = {one.upper() for one in request.countries}
    refused = {one.upper() for one in request.excluded_countries}
    if code in refused or (allowed and code not in allowed):
        return Reason("other country", code or "unknown")
    return None


def disk_gb(text: str) -> float:
    """The free disk in GB; 0 where the text does not say it."""
    found = _DISK.search(text)
    return float(found[1]) if found else 0.0


@lru_cache(maxsize=256)
def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]{1,6}", text)[:4])


def shortlist(
    market: ServerList,
    request: OrderRequest,
    *,
    usd_rate: Decimal | None = Decimal(1),
    excluded: Mapping[int, str] | None = None,
    last: Collection[int] = (),
) -> Shortlist:
    """Rank what fits by price, then reliability, then network; servers in `last` come last."""
    offers: list[Offer] = []
    refused: list[tuple[Server, Reason]] = []
    reasons: Counter[str] = Counter()
    for server in market.servers:
        found = _assessed(server, request, usd_rate, excluded or {})
        if isinstance(found, Ask):
            offers.append(Offer(server, found.native_per_day, found.usd_per_day))
            continue
        reasons[found.kind] += 1
        if found.kind not in ("other GPU", "other GPU count"):
            refused.append((server, found))
    offers.sort(key=lambda offer: (offer.server.id in last, *_rank(offer)))
    refused.sort(key=lambda pair: pair[0].id)
    text = _explain(market, reasons, len(offers), refused)
    return Shortlist(tuple(offers), text, tuple(refused))


def _rank(offer: Offer) -> tuple[Decimal, float, float, int]:
    server = offer.server
    return (offer.usd_per_day, -server.reliability, -server.specs.net.down, server.id)


def _explain(
    market: ServerList,
    reasons: Counter[str],
    fitting: int,
    refused: list[tuple[Server, Reason]],
) -> str:
    """`3,500 seen: 3,310 other GPU, 120 too little disk, 4 fit`; without a fit, the nearest ones."""
    seen = len(market.servers) + market.malformed
    counts = [f"{count:,} {kind}" for kind, count in reasons.most_common()]
    if market.malformed:
        counts.append(f"{market.malformed:,} unreadable")
    text = f"{seen:,} seen: " + ", ".join([*counts, f"{fitting:,} fit" if fitting else "none fits"])
    if fitting or not refused:
        return text
    near = "; ".join(f"server {one.id} {why.kind} ({why.detail})" for one, why in refused[:NEARBY])
    return f"{text}. Nearest: {near}"
