"""What an account holds, set against what states say: the marketplace is asked first, states second.

In that order an order that an update makes meanwhile is seen by its state, or not seen at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from clore_inference.cli.account import api_key, api_key_of_stack, usd_rates
from clore_inference.cli.billing import Bill, Recorded, bills, recorded
from clore_inference.cli.project import PROJECT, export, locks, project_of
from clore_inference.cli.stack import Run, selection
from clore_inference.errors import ConfigError
from clore_inference.market.fingerprint import fingerprint_of, is_same, wrong_account
from clore_inference.market.lease import is_active
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.wire import Wallet
from clore_inference.secret import Secret

LEASE_ID: Final = re.compile(r"[0-9a-f]{32}\Z")

Stacks = Annotated[
    list[str] | None,
    typer.Option("--stack", "-s", help="Stack whose state is read; may be given several times."),
]
StateFiles = Annotated[
    list[Path] | None,
    typer.Option("--state-file", help="Output of `pulumi stack export`, or a state file."),
]
Leases = Annotated[
    list[str] | None,
    typer.Option("--lease", help="Lease id whose full mark is meant (32 hexadecimal digits)."),
]
Project = Annotated[
    str | None,
    typer.Option("--project", help="Pulumi project, if no state tells it and it is not this one."),
]


@dataclass(frozen=True)
class Known:
    """Where marks and held orders are known from."""

    stacks: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    leases: tuple[str, ...] = ()
    project: str | None = None
    directory: Path | None = None

    @classmethod
    def of(
        cls,
        stacks: Iterable[str] | None,
        files: Iterable[Path] | None,
        leases: Iterable[str] | None,
        project: str | None,
        directory: Path | None,
    ) -> Known:
        """Check the options; raises ConfigError."""
        given = tuple(one.strip().lower() for one in leases or ())
        wrong = [one for one in given if not LEASE_ID.match(one)]
        if wrong:
            text = "is no lease id: 32 hexadecimal digits, output `lease_id` of the LeaseGuard"
            raise ConfigError([f"--lease {one!r} {text}." for one in wrong])
        return cls(tuple(stacks or ()), tuple(files or ()), given, project, directory)

    @property
    def first_stack(self) -> str | None:
        """The stack whose configuration counts."""
        return self.stacks[0] if self.stacks else None

    def key(self, environment: Mapping[str, str], run: Run) -> Secret | None:
        """The API key: from the environment, else from the first stack."""
        if self.first_stack is None:
            return api_key(environment)
        return api_key_of_stack(environment, run, selection(self.first_stack, self.directory))

    def read(self, run: Run) -> Recorded:
        """Read every state that was named; raises ConfigError for one that cannot be read."""
        exports = [export(run, selection(stack, self.directory)) for stack in self.stacks]
        documents = [*exports, *(_read_file(file) for file in self.files)]
        found = [recorded(one, self.project or project_of(one)) for one in documents]
        projects = {one.project for one in found} | ({self.project} if self.project else set())
        if len(projects) > 1:
            names = ", ".join(sorted(projects))
            raise ConfigError([f"The states are of several projects ({names}); look at one."])
        project = next(iter(projects), PROJECT)
        return Recorded(
            project,
            tuple(dict.fromkeys((*self.leases, *(id_ for one in found for id_ in one.lease_ids)))),
            {order_id: urn for one in found for order_id, urn in one.held.items()},
            (*(text for one in found for text in one.pending), *self._alive(run)),
            {id_: account for one in found for id_, account in one.accounts.items()},
            {order_id: held for one in found for order_id, held in one.wanted.items()},
        )

    def _alive(self, run: Run) -> Iterable[str]:
        """Updates that are at work on the stacks, as far as their backend tells."""
        for stack in self.stacks:
            for lock in locks(run, selection(stack, self.directory)) or ():
                if lock.is_alive:
                    yield f"an update of {stack}, {lock}"


def _read_file(file: Path) -> dict[str, Any]:
    """Return a state as `pulumi stack export` shapes it, from that or from a backend's own file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if isinstance(found, dict) and isinstance(found.get("checkpoint"), dict):
        found = {"deployment": found["checkpoint"].get("latest")}
    if not isinstance(found, dict) or "deployment" not in found:
        text = f"{file} is no state: neither `pulumi stack export` nor a file of .pulumi/stacks."
        raise ConfigError([text])
    return found


@dataclass(frozen=True)
class Survey:
    """One look at an account."""

    state: Recorded
    bills: tuple[Bill, ...]
    """Every active order, those of others too."""
    wallets: tuple[Wallet, ...]
    account: tuple[str, ...]
    rates: Mapping[str, Decimal]

    @property
    def ours(self) -> tuple[Bill, ...]:
        """The orders of this project, and those of which nobody can tell."""
        return tuple(bill for bill in self.bills if bill.standing != "other")

    @property
    def others(self) -> int:
        """How many orders are somebody else's: only ever a number."""
        return len(self.bills) - len(self.ours)

    @property
    def loose(self) -> tuple[Bill, ...]:
        """The orders that no state accounts for."""
        return tuple(bill for bill in self.ours if bill.standing != "held")


def surveyed(market: Marketplace, known: Known, run: Run) -> Survey:
    """Look at the account, then at the states; raises ListingFailed, ConfigError, WrongAccount."""
    wallets = market.client.wallets().rows
    account = fingerprint_of(wallets)
    listing = market.client.orders()
    active = tuple(row for row in listing.rows if is_active(row, listing.server_time))
    rates = usd_rates(market, active)
    state = known.read(run)
    require_account(state, account)
    return Survey(state, bills(active, state, rates, listing.server_time), wallets, account, rates)


def require_account(state: Recorded, account: tuple[str, ...]) -> None:
    """Raise WrongAccount unless every lease of a state is of this account: else all looks ended."""
    for lease_id, recorded_account in state.accounts.items():
        if recorded_account and not is_same(recorded_account, account):
            raise wrong_account(recorded_account, account, lease_id)


def without(survey: Survey, order_ids: Iterable[int]) -> Survey:
    """The same, after these orders have ended."""
    gone = set(order_ids)
    return replace(survey, bills=tuple(one for one in survey.bills if one.order_id not in gone))
