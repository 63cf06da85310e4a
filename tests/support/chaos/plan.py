"""One chaos run, drawn from a seed: what is killed, where, and what the operator does then."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

During = Literal["up", "repair", "destroy"]
"""The command that is killed: a first `up`, an `up` that replaces a lost order, a `destroy`."""
Victim = Literal["cli", "provider", "both", "group", "interrupt", "interrupt twice"]
Then = Literal["up", "refresh", "destroy"]

VICTIMS: Final[tuple[Victim, ...]] = (
    "cli", "provider", "both", "group", "interrupt", "interrupt twice",
)  # fmt: skip
PHASES: Final = ("before", "after_commit", "after_answer")
LONGEST_S: Final = 6.0
"""Real seconds in which most commands end; a random kill strikes within them."""
AT_RANDOM: Final = 0.35
"""Share of the kills at a uniform random time; the others are at a protocol point."""

Hook = tuple[str, str, int]
"""Endpoint, phase, and which call of the killed command."""

UP_POINTS: Final[tuple[tuple[Hook, int], ...]] = tuple(
    ((endpoint, phase, nth), weight)
    for endpoint, calls, weight in (
        ("wallets", 2, 1), ("marketplace", 1, 2), ("my_orders", 4, 1), ("create_order", 1, 8),
    )
    for phase in PHASES
    for nth in range(1, calls + 1)
)  # fmt: skip
DESTROY_POINTS: Final[tuple[tuple[Hook, int], ...]] = tuple(
    ((endpoint, phase, nth), weight)
    for endpoint, calls, weight in (("wallets", 2, 1), ("my_orders", 4, 1), ("cancel_order", 1, 5))
    for phase in PHASES
    for nth in range(1, calls + 1)
)


@dataclass(frozen=True)
class Plan:
    """Everything that was drawn; the JSON form is what a regression file keeps."""

    seed: int
    profile: str
    during: During
    victim: Victim
    hook: Hook | None
    after_s: float | None
    """Real seconds from the command's start, where there is no hook."""
    then: Then
    rival: bool
    """Whether somebody else of the same account rents by hand between kill and recovery."""
    fresh: bool = False
    """Whether the recovery runs on another machine, which remembers nothing of the killed run."""
    full: bool = False
    """The whole MistralDeployment instead of its order alone."""
    beside: Then | None = None
    """C3: what a second operator does with a stack of their own while the first one recovers."""

    @property
    def point(self) -> str:
        """The kill point, for people."""
        if self.hook is None:
            return f"{self.during}: after {self.after_s:.2f} s"
        endpoint, phase, nth = self.hook
        return f"{self.during}: {phase} {endpoint} {nth}"

    def document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Plan:
        hook = document.get("hook")
        return cls(**{**document, "hook": (hook[0], hook[1], hook[2]) if hook else None})

    @classmethod
    def parse(cls, text: str) -> Plan:
        return cls.of(json.loads(text)["plan"])


def draw(seed: int, *, profile: str = "hostile", full: bool = False) -> Plan:
    """Return the plan of a seed; the same for the same seed, whatever was drawn before."""
    rng = random.Random(f"chaos-1:{seed}")
    during: During = rng.choices(("up", "repair", "destroy"), (65, 15, 20))[0]
    victim = rng.choice(VICTIMS)
    hook, after_s = None, None
    if rng.random() < AT_RANDOM:
        after_s = round(rng.uniform(0.3, LONGEST_S), 3)
    else:
        points = DESTROY_POINTS if during == "destroy" else UP_POINTS
        hook = rng.choices([point for point, _ in points], [weight for _, weight in points])[0]
    then: Then = rng.choice(("up", "refresh", "destroy"))
    rival = rng.random() < 0.2
    fresh = rng.random() < 0.25
    return Plan(seed, profile, during, victim, hook, after_s, then, rival, fresh, full)


def draw_fleet(seed: int, *, profile: str = "hostile") -> Plan:
    """Return the C3 plan of a seed: the C2 draw, and what the second operator does beside it."""
    rng = random.Random(f"chaos-fleet-1:{seed}")
    beside: Then = rng.choice(("up", "refresh", "destroy"))
    return replace(draw(seed, profile=profile), fresh=False, beside=beside)


def parts(seeds: range, count: int) -> list[range]:
    """Share seeds out, none twice."""
    return [seeds[number::count] for number in range(count)]
