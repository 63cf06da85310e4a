"""`clore-inference warden`: the dead man's switch, for cron and scheduled workflows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from clore_inference.cli import exit_code, option
from clore_inference.cli.account import market_of
from clore_inference.cli.billing import burning
from clore_inference.cli.limits import Breach, Limits, breaches, condemned
from clore_inference.cli.output import note, tell
from clore_inference.cli.stack import pulumi
from clore_inference.cli.survey import (
    Known,
    Leases,
    Project,
    Stacks,
    StateFiles,
    Survey,
    surveyed,
    without,
)
from clore_inference.cli.wallet import funds
from clore_inference.cli.wish import File, wished
from clore_inference.cli.work import idle_seconds
from clore_inference.errors import ConfigError, NotYetGone
from clore_inference.market.sweep import end_condemned
from clore_inference.units import SECONDS_PER_HOUR


def warden(  # noqa: PLR0913 - one argument for each option
    *,
    stack: Stacks = None,
    cwd: option.Directory = None,
    config_file: File = None,
    state_file: StateFiles = None,
    lease: Leases = None,
    project: Project = None,
    max_usd_per_hour: Annotated[
        str | None, typer.Option(help="Most that this project's orders may burn in an hour.")
    ] = None,
    max_usd: Annotated[
        str | None, typer.Option(help="Most that the orders that run may have cost so far.")
    ] = None,
    max_hours: Annotated[
        float | None, typer.Option(min=0, help="Time to live of an order.")
    ] = None,
    max_idle_hours: Annotated[
        float | None,
        typer.Option(min=0, help="Longest time without a generated token; asks the engine."),
    ] = None,
    ends_within_hours: Annotated[
        float, typer.Option(min=0, help="Warn when a term ends within so many hours.")
    ] = 24,
    wallet_hours: Annotated[
        float, typer.Option(min=0, help="Warn when a wallet lasts for less than so many hours.")
    ] = 24,
    act: Annotated[
        bool, typer.Option("--act", help="End orders that break a limit; without it, only look.")
    ] = False,
    as_json: option.Json = False,
) -> None:
    """Watch over the bill: budget, age, idleness, term, wallet, and orders that no state claims.

    Looks, and with --act ends: unclaimed, too old or idle orders, the youngest above the hourly
    budget, all above the total. Only orders whose full mark is known (--lease, or the guards of
    --stack and --state-file) are ended, verified; other orders are only named. A term that ends
    and a short wallet are warnings. Asks nothing, so it may run in cron; run `pulumi destroy` for a
    stack whose order it ended, or its next `pulumi up` rents again.

    Example:  clore-inference warden --stack h100 --max-usd-per-hour 2.50 --max-hours 12 --act

    Exit code 0: everything holds; 1: a limit is broken, or another account's key; 2: unusable
    input; 3: the marketplace did not answer; 4: an order is billing that no state claims, or an end
    is not proven.
    """
    known = Known.of(stack, state_file, lease, project, cwd)
    limits = Limits(
        burn_usd_per_hour=_money("--max-usd-per-hour", max_usd_per_hour),
        spent_usd=_money("--max-usd", max_usd),
        age_s=_seconds(max_hours),
        idle_s=_seconds(max_idle_hours),
        ends_within_s=ends_within_hours * SECONDS_PER_HOUR,
        wallet_hours=Decimal(str(wallet_hours)),
    )
    wish = wished(known.first_stack, cwd, config_file, None)
    market = market_of(wish, known.key(os.environ, pulumi))
    survey = surveyed(market, known, pulumi)
    idle = {} if limits.idle_s is None else idle_seconds(market, known, survey, pulumi)
    found = breaches(survey, limits, idle)
    results: Mapping[int, NotYetGone | None] = {}
    if act and (orders := condemned(survey, found)):
        failed = end_condemned(
            market, project=survey.state.project, account=survey.account, orders=orders
        )
        results = {one.order_id: failed.get(one.order_id) for one in orders}
    _report(survey, found, results, acted=act, as_json=as_json)
    raise typer.Exit(verdict(found, results))


def _money(name: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise ConfigError([f"{name} {text!r} is no amount in USD, e.g. 2.50."])
    return amount


def _seconds(hours: float | None) -> float | None:
    return None if hours is None else hours * SECONDS_PER_HOUR


def verdict(found: Sequence[Breach], results: Mapping[int, NotYetGone | None]) -> int:
    """Return the exit code: what may bill unclaimed counts most, and an alarm stays an alarm."""
    unproven = any(failed is not None for failed in results.values())
    ended = {order_id for order_id, failed in results.items() if failed is None}
    unclaimed = any(one.kind == "unclaimed" and one.order_id not in ended for one in found)
    if unproven or unclaimed:
        return exit_code.BILLING
    return exit_code.FAILED if found else exit_code.FINE


def _report(
    survey: Survey,
    found: Sequence[Breach],
    results: Mapping[int, NotYetGone | None],
    *,
    acted: bool,
    as_json: bool,
) -> None:
    left = without(survey, [one for one, failed in results.items() if failed is None])
    if as_json:
        document = as_dict(survey, found, results, acted=acted)
        typer.echo(json.dumps({**document, "billing": burning(left.ours)}, indent=2))
        return
    for breach in found:
        tell(f"{breach.kind}: {breach.text}")
    for order_id, failed in results.items():
        tell(f"order {order_id}: {failed or 'ended, verified'}")
    if not acted and condemned(survey, found):
        ids = ", ".join(str(one.order_id) for one in condemned(survey, found))
        note(f"Dry run: with --act, order(s) {ids} would end.")
    tell(f"Billing now: {burning(left.ours)}")
    for fund in funds(survey.wallets, left.bills, survey.rates):
        if fund.usd_per_day or fund.unpriced:
            tell(f"  {fund.line()}")
    if left.others:
        tell(f"  and {left.others} order(s) that are not of this project")


def as_dict(
    survey: Survey,
    found: Sequence[Breach],
    results: Mapping[int, NotYetGone | None],
    *,
    acted: bool,
) -> dict[str, Any]:
    """Return the watch as JSON; money as text."""
    return {
        "project": survey.state.project,
        "dry_run": not acted,
        "breaches": [
            {"kind": one.kind, "text": one.text, "order_id": one.order_id, "ends": one.ends}
            for one in found
        ],
        "orders": [
            bill.as_dict()
            | {
                "result": str(results[bill.order_id] or "ended")
                if bill.order_id in results
                else None
            }
            for bill in survey.ours
        ],
        "others": survey.others,
        "wallets": [
            {
                "currency": fund.currency,
                "balance_usd": None if fund.balance_usd is None else str(fund.balance_usd),
                "usd_per_day": str(fund.usd_per_day),
                "hours_left": None if fund.hours_left is None else float(fund.hours_left),
            }
            for fund in funds(survey.wallets, survey.bills, survey.rates)
        ],
    }
