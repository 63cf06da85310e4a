"""`clore-inference recover`: after a kill, from a locked stack to a known bill."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer

from clore_inference.cli import exit_code, option
from clore_inference.cli.account import api_key_of_stack, market_of, usd_rates
from clore_inference.cli.billing import Bill, Recorded, bills, burning, recorded
from clore_inference.cli.output import note, tell
from clore_inference.cli.project import export, locks, project_of
from clore_inference.cli.stack import Run, pulumi, selection
from clore_inference.cli.survey import require_account
from clore_inference.cli.wish import File, wished
from clore_inference.errors import CloreInferenceError, ConfigError, ListingFailed
from clore_inference.market.fingerprint import fingerprint
from clore_inference.market.lease import is_active
from clore_inference.market.marketplace import Marketplace

Ask = Callable[[str], bool]
NEXT: Final = "Next: `pulumi up` goes on, `pulumi destroy` ends everything and proves it."


def recover(
    *,
    stack: option.Stack = None,
    cwd: option.Directory = None,
    config_file: File = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: option.Json = False,
) -> None:
    """After a killed `up` or `destroy`: free the lock, clear the pending entry, name the bill.

    Asks before each change, and never cancels an order: the next `pulumi up` adopts what carries
    the stack's mark, `pulumi destroy` cancels it. Nothing on a rented machine can stop the bill.

    Example:  clore-inference recover --stack h100

    Exit code 0: every order is accounted for; 1: a step failed; 2: unusable input; 3: the
    marketplace did not answer; 4: an order is billing that no lease of the stack holds.
    """
    selected = selection(stack, cwd)
    wish = wished(stack, cwd, config_file, None)

    def ask(question: str) -> bool:
        return yes or typer.confirm(question, err=True)

    freed = free_lock(pulumi, selected, ask)
    state = read_state(pulumi, selected)
    cleared = clear_pending(pulumi, selected, state, ask)
    try:
        market = market_of(wish, api_key_of_stack(os.environ, pulumi, selected))
        found = what_bills(market, state)
    except (ConfigError, ListingFailed) as error:
        note(f"What is billing is unknown: {error}")
        raise typer.Exit(exit_code.SILENT) from None
    if as_json:
        typer.echo(json.dumps(as_dict(found, freed=freed, cleared=cleared), indent=2))
    else:
        tell(*lines(found, state), indent=4)
    raise typer.Exit(verdict(found))


def free_lock(run: Run, selected: list[str], ask: Ask) -> bool:
    """Cancel what holds the stack, if it is dead; returns whether something was freed."""
    held = locks(run, selected)
    if held == ():
        note("No lock holds the stack.")
        return False
    alive = [lock for lock in held or () if lock.is_alive]
    if alive:
        raise CloreInferenceError(
            f"The stack is locked by {alive[0]}, which may still be at work. Freeing it now could "
            "buy twice. Wait for it or end it, then run `clore-inference recover` again."
        )
    who = f"The dead {held[0]} still locks the stack." if held else "A killed update may lock it."
    if not ask(f"{who} Free it (pulumi cancel)?"):
        return False
    done = run(["cancel", "--yes", *selected])
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:300]
        raise CloreInferenceError(f"`pulumi cancel` failed: {said!r}. The stack is still locked.")
    note("The lock is free.")
    return True


def read_state(run: Run, selected: list[str]) -> Recorded:
    """Return what the state says about leases and interrupted operations."""
    found = export(run, selected)
    return recorded(found, project_of(found))


def clear_pending(run: Run, selected: list[str], state: Recorded, ask: Ask) -> bool:
    """Clear interrupted creations from the state; returns whether something was cleared."""
    if not state.pending:
        note("No operation was interrupted.")
        return False
    note(f"Interrupted: {'; '.join(state.pending)}.")
    if not ask("Clear this from the state (pulumi refresh --clear-pending-creates)?"):
        return False
    done = run(["refresh", "--yes", "--skip-preview", "--clear-pending-creates", *selected])
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).split())[-300:]
        raise CloreInferenceError(
            f"`pulumi refresh` failed: {said!r}. The entry stays; the stack can be used all the same."
        )
    note("The interrupted entry is cleared.")
    return True


def what_bills(market: Marketplace, state: Recorded) -> tuple[Bill, ...]:
    """Ask the marketplace which orders are active, and say what the state knows of each.

    Raises WrongAccount: to another account every order of ours looks as if it had ended.
    """
    require_account(state, fingerprint(market))
    listing = market.client.orders()
    active = tuple(row for row in listing.rows if is_active(row, listing.server_time))
    return bills(active, state, usd_rates(market, active), listing.server_time)


def lines(found: Sequence[Bill], state: Recorded) -> list[str]:
    """Return the bill in words, and what to run next."""
    rows = [f"  {bill.line()}" for bill in found if bill.standing != "other"]
    active = {bill.order_id for bill in found}
    gone = [
        f"  order {order_id} is held by the state but not active. If My Orders on "
        f"https://clore.ai shows its end: pulumi state delete '{urn}' --target-dependents"
        for order_id, urn in state.held.items()
        if order_id not in active
    ]
    strangers = sum(1 for bill in found if bill.standing == "other")
    rest = [f"  and {strangers} order(s) that are not of this project"] if strangers else []
    return [f"Billing now: {burning(found)}", *rows, *gone, *rest, NEXT]


def as_dict(found: Sequence[Bill], *, freed: bool, cleared: bool) -> dict[str, Any]:
    """Return what was done and what bills, as JSON; money as text."""
    rows = [bill.as_dict() for bill in found if bill.standing != "other"]
    return {"lock_freed": freed, "pending_cleared": cleared, "orders": rows}


def verdict(found: Sequence[Bill]) -> int:
    """Return the exit code of a bill."""
    loose = any(bill.standing in ("unheld", "unguarded", "portless") for bill in found)
    return exit_code.BILLING if loose else exit_code.FINE
