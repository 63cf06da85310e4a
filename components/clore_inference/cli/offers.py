"""`clore-inference offers`: what could be rented now, and why the rest could not."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from clore_inference import rules
from clore_inference.cli import exit_code, option
from clore_inference.cli.account import api_key, market_of
from clore_inference.cli.wish import File, Set, wished
from clore_inference.lifecycle.wanted import order_request
from clore_inference.market.offers import Offer, Shortlist
from clore_inference.market.wire import Server
from clore_inference.units import usd


def offers(
    *,
    stack: option.Stack = None,
    cwd: option.Directory = None,
    config_file: File = None,
    changes: Set = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows to show.")] = 10,
    as_json: option.Json = False,
) -> None:
    """Rank the offers that fit a stack now, cheapest first, and explain the rest.

    Asks the marketplace once, needs no key, buys nothing. Prices are per day for the whole server,
    with the renter's fee; the cap is the stack's maxUsdPerDay.

    A stack:   clore-inference offers --stack h100

    What if:   clore-inference offers --stack h100 --set maxUsdPerDay=60

    Exit code 0: something fits; 1: nothing does; 2: configuration; 3: no answer.
    """
    wish = wished(stack, cwd, config_file, changes)
    spec, _ = rules.construct(wish.values, plain_secrets=wish.plain_secrets)
    found = market_of(wish, api_key(os.environ)).browse(order_request(spec, ""))
    if as_json:
        typer.echo(json.dumps(as_dict(found), indent=2))
    else:
        typer.echo("\n".join(lines(found, limit)))
    raise typer.Exit(exit_code.FINE if found.offers else exit_code.FAILED)


def lines(found: Shortlist, limit: int) -> list[str]:
    """Return the offers as a table of 80 columns, and the story of the rest."""
    rows = [_row(offer) for offer in found.offers[:limit]]
    head = f"{'server':>8} {'USD/day':>9} {'reliab.':>8} {'Mbit/s':>7} {'cc':>3}  GPUs"
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
        f"{net.cc:>3}  {server.specs.gpu}"
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
        "country": server.specs.net.cc,
    }
