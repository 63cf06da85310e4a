"""How often broken protocols must leak in random runs, or the harness is blind.

A simulation of the protocol, with the fault rates that the emulator's profile `hostile` has,
predicted the shares below (3,000 to 10,000 seeded runs a cell). A harness that sees less than a
third of them is not looking.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.chaos import controls
from support.chaos.c1 import CALLS, Command, Judge, Outcome, Scenario, Stack, killed, recover
from support.chaos.controls import Providers
from support.chaos.plan import PHASES
from support.market import Market


@dataclass(frozen=True)
class Prediction:
    """A control, the recovery in which it leaks, and the share of runs that do."""

    providers: Providers
    then: Command
    predicted: float

    @property
    def least(self) -> float:
        return self.predicted / 3


PREDICTIONS: Final = (
    Prediction(controls.NAIVE, "destroy", 0.61),
    Prediction(controls.NO_GUARD, "destroy", 0.22),
    Prediction(controls.NO_RECONCILE, "up", 0.21),
)


def random_kill(seed: int, then: Command) -> Scenario:
    """A provider that is killed at a protocol point of an `up`; every point alike.

    As in the simulation, that is before or after each effect: an `up` lists three times before it
    buys, and then until its order shows. A point that is not reached kills nobody.
    """
    points = [
        (endpoint, phase, nth)
        for endpoint, count in CALLS["up"].items()
        for phase in PHASES
        for nth in range(1, count + 1)
    ]
    hook = random.Random(f"c1-hostile:{seed}").choice(points)
    return Scenario("up", hook, "hostile", "provider", then)


def hostile_runs(
    providers: Providers, then: Command, seeds: range, market: Market, directory: Path
) -> Iterator[Outcome]:
    """Play random kills on a hostile market, each from an empty stack to a destroyed one."""
    judge = Judge(market)
    for seed in seeds:
        scenario = random_kill(seed, then)
        outcome = Outcome(f"{providers.name}, seed {seed}: {scenario.name}")
        stack = Stack(market, directory / f"{providers.name}-{seed}", providers)
        with judge.run(outcome, lambda: market.admin("POST", "/profile", name="hostile")):
            outcome.struck, process = killed(scenario, stack)
            try:
                recover(stack, then, outcome, process)
            finally:
                process.close()
        yield outcome
