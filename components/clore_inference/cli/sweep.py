"""`clore-inference sweep`: find this project's orders without any state, and end those that are lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import typer

from clore_inference.cli import exit_code, option
from clore_inference.cli.account import market_of
from clore_inference.cli.billing import Bill, burning
from clore_inference.cli.output import note, tell
from clore_inference.cli.stack import Run, pulumi
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
from clore_inference.cli.wish import File, wished
from clore_inference.errors import NotYetGone
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.sweep import Condemned, end_condemned
from clore_inference.units import duration, per_hour, usd_ceiling

YOUNG_S: Final = 60.0
"""A younger order may belong to a command whose state is not written yet; the settle window."""

Verdict = Literal["cancel", "ask", "held", "portless", "young", "busy", "unnamed"]
WORDS: Final[dict[Verdict, str]] = {
    "cancel": "ends with --cancel",
    "ask": "needs your word",
    "held": "kept: held",
    "portless": "kept: no ports",
    "young": "kept: too young",
    "busy": "kept: update",
    "unnamed": "kept: not named",
}
WHY: Final[dict[Verdict, str]] = {
    "ask": "needs your word: it shows the project's port, which finds and does not prove. With "
    "--cancel its id is to be typed; or --order ID --yes",
    "held": "kept: held by a lease of a state that was read; `pulumi destroy` ends it",
    "portless": "kept: it shows no ports by which it could be recognised; look again in a minute",
    "young": f"kept: younger than {YOUNG_S:.0f} s, or of unknown age; look again in a minute",
    "busy": "kept: an update of its stack is at work or was interrupted; `clore-inference recover`",
    "unnamed": "kept: not named by --order",
}
MARKS: Final = {
    "held": "held",
    "unheld": "full",
    "unguarded": "project's only",
    "portless": "none yet",
}


def sweep(  # noqa: PLR0913 - one argument for each option
    *,
    stack: Stacks = None,
    cwd: option.Directory = None,
    config_file: File = None,
    state_file: StateFiles = None,
    lease: Leases = None,
    project: Project = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel, after asking.")] = False,
    order: Annotated[
        list[int] | None, typer.Option("--order", help="Cancel only this order, by your word.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask for full marks and for --order.")
    ] = False,
    as_json: option.Json = False,
) -> None:
    """Find this project's orders on the marketplace, without any state; end those that are lost.

    A dry run unless --cancel or --order is given. Cancelled is only what carries the full mark of
    a lease that you name (--lease, or the guards of --stack and --state-file) and that no such
    state holds, or an order whose id you type. Orders without the project's port are never touched.

    State lost:  clore-inference sweep; clore-inference sweep --cancel

    In a script: clore-inference sweep --lease 0123...cdef --cancel --yes --json

    Exit code 0: nothing is left that no state accounts for; 1: another account's key, or --order
    names none of this project's orders; 2: unusable input; 3: the marketplace did not answer; 4: an
    order is billing that no state accounts for, or an end is not proven.
    """
    known = Known.of(stack, state_file, lease, project, cwd)
    wish = wished(known.first_stack, cwd, config_file, None)
    market = market_of(wish, known.key(os.environ, pulumi))
    named = frozenset(order or ())
    found = surveyed(market, known, pulumi)
    missing = sorted(named - {bill.order_id for bill in found.ours})
    for order_id in missing:
        note(
            f"Order {order_id} is not active, or not of project {found.state.project}: left alone."
        )
    results: Mapping[int, NotYetGone | None] = {}
    if cancel or named:
        if not as_json:
            tell(*lines(found, named))
        chosen = confirmed(found, named, yes=yes, typed=typed)
        results = ended(market, known, pulumi, chosen) if chosen else {}
    left = without(found, [order_id for order_id, failed in results.items() if failed is None])
    report(found, left, results, named, as_json=as_json, acted=cancel or bool(named))
    raise typer.Exit(verdict(left, missing))


def decide(bill: Bill, survey: Survey, named: Collection[int]) -> Verdict:
    """Return what is to become of an order, and why."""
    if bill.standing in ("held", "portless"):
        return "held" if bill.standing == "held" else "portless"
    if bill.age_s is None or bill.age_s < YOUNG_S:
        return "young"
    if bill.lease_id in survey.state.accounts and survey.state.pending:
        return "busy"
    if named and bill.order_id not in named:
        return "unnamed"
    return "cancel" if bill.standing == "unheld" else "ask"


def typed(bill: Bill) -> bool:
    """Let a person confirm one order by typing its id; no answer is a no."""
    question = f"{bill.line()}. Type {bill.order_id} to cancel it, Enter to leave it"
    try:
        answer = typer.prompt(question, default="", show_default=False, err=True)
    except typer.Abort:
        return False
    return str(answer).strip() == str(bill.order_id)


def confirmed(
    survey: Survey, named: Collection[int], *, yes: bool, typed: Callable[[Bill], bool]
) -> tuple[Condemned, ...]:
    """Return what is to end: full marks with --yes, else what was typed, one by one."""
    chosen = []
    for bill in survey.ours:
        match decide(bill, survey, named):
            case "cancel":
                sure = yes or typed(bill)
            case "ask":
                sure = (yes and bill.order_id in named) or typed(bill)
            case _:
                continue
        if sure:
            chosen.append(Condemned(bill.order_id, bill.server_id, bill.lease_id))
    return tuple(chosen)


def ended(
    market: Marketplace, known: Known, run: Run, chosen: Sequence[Condemned]
) -> dict[int, NotYetGone | None]:
    """Look at everything once more, then end what still is as it was confirmed."""
    again = surveyed(market, known, run)
    named = {one.order_id for one in chosen}
    still = {
        bill.order_id for bill in again.ours if decide(bill, again, named) in ("cancel", "ask")
    }
    orders = [one for one in chosen if one.order_id in still]
    for one in chosen:
        if one not in orders:
            note(f"Order {one.order_id} has changed since it was listed: left alone, look again.")
    failed = end_condemned(
        market, project=again.state.project, account=again.account, orders=orders
    )
    return {one.order_id: failed.get(one.order_id) for one in orders}


def lines(survey: Survey, named: Collection[int]) -> list[str]:
    """Return the table of this project's orders."""
    rows = [f"{'order':<10}{'server':<9}{'cost':<14}{'age':<12}{'mark':<16}what"]
    decided = {bill.order_id: decide(bill, survey, named) for bill in survey.ours}
    for bill in survey.ours:
        age = "unknown" if bill.age_s is None else duration(bill.age_s)
        rows.append(
            f"{bill.order_id:<10}{bill.server_id or '?':<9}{bill.usd_per_hour:<14}{age:<12}"
            f"{MARKS[bill.standing]:<16}{WORDS[decided[bill.order_id]]}"
        )
    if not survey.ours:
        rows = [f"No active order of project {survey.state.project}."]
    why = dict.fromkeys(WHY[one] for one in decided.values() if one in WHY)
    others = [f"{survey.others} order(s) of others, untouched"] if survey.others else []
    return [*rows, *(f"  {text}" for text in (*why, *others))]


def report(
    before: Survey,
    left: Survey,
    results: Mapping[int, NotYetGone | None],
    named: Collection[int],
    *,
    as_json: bool,
    acted: bool,
) -> None:
    """Print the table, or what became of each order."""
    if as_json:
        typer.echo(json.dumps(as_dict(before, left, results, named, acted=acted), indent=2))
        return
    if not acted:
        tell(*lines(before, named))
        return
    for order_id, failed in results.items():
        tell(f"order {order_id}: {failed or 'ended, verified'}")
    tell(f"Billing now: {burning(left.ours)}")


def as_dict(
    before: Survey,
    left: Survey,
    results: Mapping[int, NotYetGone | None],
    named: Collection[int],
    *,
    acted: bool,
) -> dict[str, Any]:
    """Return the same as JSON; money as text, `result` null where nothing was done."""
    rows = [
        bill.as_dict()
        | {
            "mark": MARKS[bill.standing],
            "verdict": decide(bill, before, named),
            "result": _result(results, bill.order_id),
        }
        for bill in before.ours
    ]
    daily = sum((bill.usd_per_day or Decimal(0) for bill in left.ours), Decimal(0))
    return {
        "project": before.state.project,
        "dry_run": not acted,
        "orders": rows,
        "others": before.others,
        "usd_per_hour": str(usd_ceiling(per_hour(daily))),
    }


def _result(results: Mapping[int, NotYetGone | None], order_id: int) -> str | None:
    if order_id not in results:
        return None
    return str(results[order_id] or "ended")


def verdict(left: Survey, missing: Sequence[int]) -> int:
    """Return the exit code: what still bills without a state counts most."""
    if left.loose:
        return exit_code.BILLING
    return exit_code.FAILED if missing else exit_code.FINE
