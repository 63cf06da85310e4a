"""A shortlist as people and machines read it; pure."""

from __future__ import annotations

from typing import Any

from clore_inference.market.offers import Offer, Shortlist
from clore_inference.market.wire import Server
from clore_inference.units import usd


def lines(found: Shortlist, limit: int) -> list[str]:
    """Return the offers as a table of 80 columns, and the story of the rest."""
    rows = [_row(offer) for offer in found.offers[:limit]]
    head = f"{'server':>8} {'USD/day':>9} {'reliab.':>8} {'Mbit/s':>7} {'hours':>5} {'cc':>3}  GPUs"
    table = [head, *rows] if rows else []
    left = len(found.offers) - len(rows)
    more = [f"and {left} more that fit"] if left > 0 else []
    near = [
        f"{server.id:>8} not: {reason.kind}, {reason.detail}"
        for server, reason in found.refused[: limit - len(rows)]
    ]
    return [*table, *more, *near, found.explanation]


def _row(offer: Offer) -> str:
    server = offer.server
    price = usd(offer.usd_per_day).removesuffix(" USD")
    net = server.specs.net
    return (
        f"{server.id:>8} {price:>9} {server.reliability:>8.3f} {net.down:>7.0f} "
        f"{server.mrl:>5.0f} {net.cc:>3}  {server.specs.gpu}"
    )


def as_dict(found: Shortlist) -> dict[str, Any]:
    """Return the shortlist as JSON; money as text, so that no digit is lost."""
    return {
        "offers": [
            {**_facts(offer.server), "usd_per_day": str(offer.usd_per_day)}
            for offer in found.offers
        ],
        "refused": [
            {**_facts(server), "reason": reason.kind, "detail": reason.detail}
            for server, reason in found.refused
        ],
        "explanation": found.explanation,
    }


def _facts(server: Server) -> dict[str, Any]:
    return {
        "server_id": server.id,
        "gpu": server.specs.gpu,
        "reliability": server.reliability,
        "down_mbps": server.specs.net.down,
        "term_hours": server.mrl,
        "country": server.specs.net.cc,
    }
