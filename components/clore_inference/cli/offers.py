"""`clore-inference offers`: what could be rented now, and why the rest could not."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from clore_inference import rules
from clore_inference.cli import exit_code, option
from clore_inference.cli.account import api_key, market_of
from clore_inference.cli.wish import File, Set, wished
from clore_inference.lifecycle.wanted import order_request
from clore_inference.market.table import as_dict, lines


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
