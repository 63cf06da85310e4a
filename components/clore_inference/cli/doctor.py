"""`clore-inference doctor`: which parts are in use, and what is missing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Final, Literal

import typer

from clore_inference.cli import exit_code, option
from clore_inference.cli.account import api_key, market_of
from clore_inference.cli.billing import Recorded, bills, burning
from clore_inference.cli.project import PROJECT
from clore_inference.cli.toolchain import ORIGINS, pulumi_path, read_toolchain
from clore_inference.cli.wish import File, Wish, wished
from clore_inference.errors import CloreInferenceError
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.ownership import project_port
from clore_inference.market.price import USD

PACKAGES: Final = ("clore-inference", "pulumi", "pulumi-command", "asyncssh", "pydantic")
LEGACY_DIFF: Final = "PULUMI_ENABLE_LEGACY_DIFF"
State = Literal["ok", "note", "bad"]


@dataclass(frozen=True)
class Row:
    """One thing that was looked at."""

    name: str
    state: State
    text: str


def doctor(
    *,
    stack: option.Stack = None,
    cwd: option.Directory = None,
    config_file: File = None,
    as_json: option.Json = False,
) -> None:
    """Say which parts of Pulumi run here, whether the marketplace answers, and what is billing.

    Looks, and changes nothing. No output of it holds a secret, so `doctor --json` may go into a bug
    report. With a key in CLORE_API_KEY it counts this project's active orders.

    Example:  clore-inference doctor --stack h100

    Exit code 0: nothing is in the way; 1: something is.
    """
    wish = wished(stack, cwd, config_file, None)
    rows = [*parts(os.environ), *packages(), *settings(os.environ), *account(wish, os.environ)]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        typer.echo("\n".join(f"{row.state:<4}  {row.name:<22}  {row.text}" for row in rows))
    bad = any(row.state == "bad" for row in rows)
    raise typer.Exit(exit_code.FAILED if bad else exit_code.FINE)


def parts(environment: Mapping[str, str]) -> Iterator[Row]:
    """The Pulumi CLI, its language host and its plugin, with where they come from."""
    found = read_toolchain(environment)
    if found is None:
        program = shutil.which("pulumi", path=pulumi_path(environment))
        if program:
            yield Row("cli", "note", f"{program}; the set-up has not looked at it: `make setup`")
        else:
            yield Row("cli", "bad", "there is no Pulumi CLI: run `make setup`")
        return
    for part in found.parts:
        state: State = "note" if part.origin == "stand-in" else "ok"
        version = f"{part.version} " if part.version else ""
        yield Row(part.name, state, f"{version}{ORIGINS.get(part.origin, part.origin)}")


def packages(names: Sequence[str] = PACKAGES) -> Iterator[Row]:
    """The Python packages that a program needs."""
    for name in names:
        try:
            yield Row(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Row(name, "bad", "not installed here: run `make setup`")


def settings(environment: Mapping[str, str]) -> Iterator[Row]:
    """Settings of Pulumi that would break a promise."""
    value = environment.get(LEGACY_DIFF, "")
    if value.lower() in ("1", "true"):
        text = "set: Pulumi then skips the diff that sees a lost order. Unset it"
        yield Row(LEGACY_DIFF, "bad", text)
    else:
        yield Row(LEGACY_DIFF, "ok", "not set")


def account(wish: Wish, environment: Mapping[str, str]) -> Iterator[Row]:
    """The marketplace, the account behind the key, and this project's orders."""
    key = api_key(environment)
    market = market_of(wish, key)
    try:
        servers = market.client.marketplace().rows.servers
        yield Row("marketplace", "ok", f"{wish.api_url} lists {len(servers):,} servers")
        if key is None:
            yield Row("account", "note", "no CLORE_API_KEY: orders cannot be looked at")
            return
        yield from _orders(market)
    except CloreInferenceError as error:
        yield Row("marketplace", "bad", f"{wish.api_url}: {error}")


def _orders(market: Marketplace) -> Iterator[Row]:
    wallets = market.client.wallets().rows
    funded = [f"{wallet.balance} {wallet.name}" for wallet in wallets if wallet.balance]
    yield Row("account", "ok", f"{', '.join(funded) or 'no balance'}")
    listing = market.client.orders()
    active = [row for row in listing.rows if not row.closed and not row.over(listing.server_time)]
    marked = [row for row in active if project_port(PROJECT) in row.ports]
    found = bills(marked, Recorded(PROJECT), {USD: Decimal(1)})
    yield Row("orders", "ok", f"{burning(found)}, of {len(active)} active in all")
    if marked:
        text = f"echoed by {len(marked)} order(s): an order is recognised without any state"
        yield Row("mark", "ok", text)
