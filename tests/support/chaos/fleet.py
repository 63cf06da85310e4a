"""C3: three replicas, two stacks, two operators with a key each, on one account that misbehaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from support.chaos.c2 import KILLED_WITHIN_S, Chaos, drawn_secrets
from support.chaos.kill import carry_out
from support.chaos.plan import Plan, Then
from support.chaos.verdict import Verdict, active
from support.engine import Engine
from support.leases import PROGRAM, held, only_leases
from support.rental import Rental

NAMES: Final = ("one", "two", "three")
SETTINGS: Final = {"maxUsdPerDay": "200", "maxReplacements": "2"}
"""Room for eight orders and what turns out to lie."""
FIRST: Final = "renter"
SECOND: Final = "second"
"""The names of the operators' API keys."""


class FleetChaos(Chaos):
    """One run: the first operator's command is killed while the second one works."""

    def __init__(self, plan: Plan, directory: Path, engine: Engine, time_scale: float) -> None:
        super().__init__(
            plan, directory, engine, time_scale, program=PROGRAM.format(names=NAMES), **SETTINGS
        )
        self.second = Rental.create(
            directory / "second", engine, self.market, **SETTINGS, timeScale=f"{time_scale:g}"
        )
        only_leases(self.second, *NAMES)
        key = self.market.admin("POST", "/keys", account="renter", name=SECOND)["key"]
        self.second.environment |= {
            "CLORE_API_KEY": str(key),
            "PYTHONPATH": self.rental.environment["PYTHONPATH"],
        }
        self.secrets.add(str(key))

    @property
    def rentals(self) -> list[Rental]:
        return [self.rental, self.second]

    def run(self) -> Verdict:
        begun = time.monotonic()
        self._rent_by_hand()
        with ThreadPoolExecutor(1) as elsewhere:
            if self._prepared():
                other = elsewhere.submit(self._until, "second up", self._up(self.second))
                self._kill()
                other_up = other.result()
                if other_up:
                    self._claim_of(self.second, "second up")
                beside = elsewhere.submit(self._beside, self.plan.beside or "up")
                self._recover_fleet()
                beside.result()
            end = elsewhere.submit(self._end, self.second, "second destroy")
            self._end(self.rental, "destroy")
            end.result()
        self._judge()
        self.verdict.seconds = round(time.monotonic() - begun, 1)
        return self.verdict

    def close(self) -> None:
        self.second.close()
        super().close()

    def _up(self, rental: Rental) -> Callable[[], Any]:
        return lambda: rental.up("--continue-on-error")

    def _prepared(self) -> bool:
        """Hold the orders first, where a later command is the one to be killed."""
        if self.plan.during == "up":
            return True
        if not self._until("up", self._up(self.rental)):
            return False
        self._claim_of(self.rental, "up")
        if self.plan.during == "repair":
            self.market.admin("POST", "/cancel", order_id=held(self.rental)[0])
        return True

    def _kill(self) -> None:
        word = "destroy" if self.plan.during == "destroy" else "up"
        running = self.rental.start(word, "--yes", "--skip-preview", "--continue-on-error")
        self.verdict.struck = carry_out(self.plan, self.rental, self.market, running)
        running.finish(KILLED_WITHIN_S)
        if self.plan.rival:
            self._rent_by_hand()

    def _recover_fleet(self) -> None:
        self.rental.cancel()
        if self.plan.then == "refresh":
            self._until("refresh", self.rental.refresh)
        if self.plan.then == "up" and self._until("up", self._up(self.rental)):
            self._claim_of(self.rental, "up")

    def _beside(self, what: Then) -> None:
        """The second operator's next command, at the same time."""
        match what:
            case "up":
                if self._until("second up", self._up(self.second)):
                    self._claim_of(self.second, "second up")
            case "refresh":
                self._until("second refresh", self.second.refresh)
            case _:
                self._end(self.second, "second destroy")

    def _end(self, rental: Rental, name: str) -> None:
        if self._until(name, rental.destroy):
            self._wait_for_orphans(rental)
            self.verdict.left += self._billing(rental)

    def _billing(self, rental: Rental) -> list[int]:
        """The orders that this operator's key made."""
        return active(self.market.ledger(), SECOND if rental is self.second else FIRST)

    def _claim_of(self, rental: Rental, name: str) -> None:
        """After an `up` that succeeded: as many orders as leases, and the state's."""
        self._wait_for_orphans(rental)
        ours, billing = held(rental), self._billing(rental)
        said = self._said[name]
        self.handed_over += ours
        self.secrets |= drawn_secrets(rental)
        self.verdict.unclaimed += [one for one in billing if one not in ours]
        self.verdict.hollow += [
            one
            for one in ours
            if one not in billing and f"order {one} was not looked at" not in said
        ]


def chaos_of(plan: Plan, directory: Path, engine: Engine, time_scale: float) -> Chaos:
    """Return the run of a plan: C3 where a second operator was drawn, else C2."""
    kind = FleetChaos if plan.beside else Chaos
    return kind(plan, directory, engine, time_scale)
