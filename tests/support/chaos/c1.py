"""Chaos without the CLI: a checkpoint, a real provider process, an emulated market over HTTP.

The double of the engine does what Pulumi does with a guard and a lease: what was created is written
down before the next thing starts, and a create that does not return leaves nothing.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from clore_inference.host.attest import HostRequirement
from clore_inference.lifecycle.keys import create as draw_keys
from clore_inference.lifecycle.wanted import host_requirement, order_request
from support.chaos.controls import REAL, Providers
from support.chaos.plan import PHASES, Hook
from support.chaos.provider import ENDS_WITHIN_S, Died, Failed, Process
from support.chaos.verdict import active
from support.market import Market, wait_until
from support.wishes import a_spec

Command = Literal["up", "destroy"]
Victim = Literal["provider", "engine"]
"""Killed: the provider process, or the engine whose provider lives on as an orphan."""

PROJECT: Final = "clore-inference"
SPEC: Final = a_spec(topology="4xH100", maxUsdPerDay="60")
PAUSE: Final = "chaos"
TRIES: Final = 4
BETWEEN_RUNS_S: Final = 0.15
"""Real seconds: the next run has another machine's pacer, so it must not come too soon."""


@dataclass
class Stack:
    """What the engine's state holds, and the machine that its commands run on."""

    market: Market
    directory: Path
    providers: Providers = REAL
    time_scale: float = 60.0
    guard: dict[str, Any] | None = None
    lease: dict[str, Any] | None = None
    keys: dict[str, str] = field(default_factory=draw_keys)

    def process(self) -> Process:
        """A new provider process of this stack, with a new engine."""
        self.directory.mkdir(parents=True, exist_ok=True)
        environment = {
            "CLORE_API_KEY": self.market.key,
            "XDG_STATE_HOME": str(self.directory / "client"),
            "PULUMI_PROJECT": PROJECT,
        }
        config = {"apiUrl": self.market.api, "timeScale": f"{self.time_scale:g}"}
        return Process(
            self.directory,
            environment,
            {f"{PROJECT}:{key}": value for key, value in config.items()},
        )

    def up(self, process: Process) -> None:
        """Create what is missing, ask diff of what is there; raises Failed or Died."""
        if self.guard is None:
            props = {"project": PROJECT, "ports": ["22", "8000"]}
            self.guard = process.create(self.providers.guard, props)
        wishes = self._wishes()
        provider = self.providers.lease
        if self.lease is not None:
            changes, replaces = process.diff(provider, self.lease, wishes)
            if not changes:
                return
            if not replaces:
                self.lease = process.update(provider, self.lease, wishes)
                return
            process.delete(provider, self.lease)
            self.lease = None
        self.lease = process.create(provider, wishes)

    def destroy(self, process: Process) -> None:
        """Delete the lease, then its guard."""
        if self.lease is not None:
            process.delete(self.providers.lease, self.lease)
            self.lease = None
        if self.guard is not None:
            process.delete(self.providers.guard, self.guard)
            self.guard = None

    def _wishes(self) -> dict[str, Any]:
        assert self.guard is not None
        return {
            "project": PROJECT,
            "lease_id": self.guard["lease_id"],
            "account": self.guard["account"],
            "request": order_request(SPEC, self.keys["public_key"]).model_dump_json(),
            "requirement": self._requirement().model_dump_json(),
            "private_key": self.keys["private_key"],
        }

    def _requirement(self) -> HostRequirement:
        """What a host must prove, but for its link: there is no hub here to measure it with."""
        return host_requirement(SPEC).model_copy(update={"link": None})

    @property
    def held(self) -> int | None:
        return int(self.lease["order_id"]) if self.lease else None


@dataclass(frozen=True)
class Scenario:
    """One protocol point, one fault, one victim, one recovery."""

    command: Command
    hook: Hook
    fault: str | None
    victim: Victim
    then: Command

    @property
    def name(self) -> str:
        endpoint, phase, nth = self.hook
        fault = self.fault or "no fault"
        return f"{self.command}: {self.victim} dies {phase} {endpoint} {nth}, {fault}, then {self.then}"


UP_FAULTS: Final = (
    None, "accept_then_drop_connection", "accept_then_hang", "drop_before_handling",
    "code1_but_accepted", "code1_and_nothing_done", "http500_but_accepted", "answer_garbage",
    "refuse_with(server-offline)", "someone_rents_first", "price_rises_before_order",
    "list_lags_by(20)", "ports_lag_by(30)", "never_deploys", "server_lies(fewer_gpus)",
)  # fmt: skip
DESTROY_FAULTS: Final = (None, "cancel_lies", "cancel_fails", "cancel_fails_but_applied")
CALLS: Final[dict[Command, dict[str, int]]] = {
    "up": {"wallets": 2, "marketplace": 1, "my_orders": 6, "create_order": 1},
    "destroy": {"wallets": 2, "my_orders": 2, "cancel_order": 1},
}


def matrix() -> list[Scenario]:
    """Every protocol point with every fault, in an order that a seed does not change."""
    found: list[tuple[Command, Hook, str | None]] = []
    for command, calls in CALLS.items():
        faults = UP_FAULTS if command == "up" else DESTROY_FAULTS
        points = [
            (endpoint, phase, nth)
            for endpoint, count in calls.items()
            for phase in PHASES
            for nth in range(1, count + 1)
        ]
        found += [(command, point, fault) for point in points for fault in faults]
    victims: tuple[Victim, ...] = ("provider", "engine")
    commands: tuple[Command, ...] = ("up", "destroy")
    return [
        Scenario(command, hook, fault, victim, then)
        for command, hook, fault in found
        for victim in victims
        for then in commands
    ]


def some(count: int, seed: int) -> list[Scenario]:
    """A random part of the matrix."""
    everything = matrix()
    return random.Random(f"c1:{seed}").sample(everything, min(count, len(everything)))


@dataclass
class Outcome:
    """What the ledger says after a scenario."""

    name: str
    unclaimed: list[int] = field(default_factory=list)
    hollow: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    strangers: int = 0
    violations: int = 0
    stuck: str = ""
    struck: bool = False

    @property
    def leaks(self) -> bool:
        return bool(self.unclaimed or self.left)

    @property
    def failures(self) -> list[str]:
        return [
            f"{key}={value}"
            for key, value in vars(self).items()
            if key not in ("name", "struck") and value
        ]


class Judge:
    """One emulator for many runs, each judged by what changed in the ledger."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._before = market.ledger()

    @contextmanager
    def run(self, outcome: Outcome, faults: Callable[[], None]) -> Iterator[None]:
        """Arm the faults, let it run, count, and leave the market as if nothing had been."""
        time.sleep(BETWEEN_RUNS_S)
        self._before = self.market.ledger()
        faults()
        try:
            yield
        finally:
            after = self.market.ledger()
            for name, key in (("strangers", "foreign_cancels"), ("violations", "violations")):
                setattr(outcome, name, after[key] - self._before[key])
            self.market.disarm()
            for order_id in active(after):
                self.market.admin("POST", "/cancel", order_id=order_id)


def until_done(stack: Stack, name: Command, outcome: Outcome) -> bool:
    """Run a command as an operator does: again after an error, on a calm market in the end."""
    text = ""
    for attempt in range(2 * TRIES):
        if attempt == TRIES:
            stack.market.disarm()
        process = stack.process()
        try:
            getattr(stack, name)(process)
        except (Failed, Died) as error:
            text = str(error)
        else:
            return True
        finally:
            process.close()
    outcome.stuck = f"{name}: {text[-400:]}"
    return False


def killed(scenario: Scenario, stack: Stack) -> tuple[bool, Process]:
    """Run the scenario's command and let its victim die at the point; returns whether it did."""
    endpoint, phase, nth = scenario.hook
    point = {"on": endpoint, "phase": phase, "nth": nth, "times": 1}
    process = stack.process()
    if scenario.victim == "provider":
        stack.market.arm("kill", **point)
        return _dies(stack, scenario.command, process), process
    with orphaned(stack, process, scenario.hook, scenario.command) as reached:
        if reached:
            process.abandon()
            stack.market.admin("POST", "/release", name=PAUSE)
    return reached, process


@contextmanager
def orphaned(stack: Stack, process: Process, hook: Hook, command: Command = "up") -> Iterator[bool]:
    """Hold a command at a point inside the block; whatever it returns later, nobody writes down.

    Yields whether the point was reached. The block abandons the process and releases the request.
    """
    endpoint, phase, nth = hook
    stack.market.arm("pause", name=PAUSE, on=endpoint, phase=phase, nth=nth, times=1)
    done = threading.Event()

    def run() -> None:
        _dies(stack, command, process)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    wait_until(
        lambda: bool(done.is_set() or stack.market.admin("GET", "")["paused"].get(PAUSE)),
        within_s=120,
        because="the command neither ends nor reaches its point",
    )
    known = (stack.guard, stack.lease)
    reached = not done.is_set()
    yield reached
    if reached:
        assert done.wait(ENDS_WITHIN_S), "an orphan never stops"
        stack.guard, stack.lease = known


def _dies(stack: Stack, command: str, process: Process) -> bool:
    try:
        getattr(stack, command)(process)
    except Died:
        return True
    except Failed:
        return False
    return False


def play(scenario: Scenario, market: Market, directory: Path, providers: Providers) -> Outcome:
    """Play one scenario from an empty stack to a destroyed one."""
    outcome = Outcome(scenario.name)
    stack = Stack(market, directory, providers)

    def faults() -> None:
        if scenario.fault:
            market.arm(scenario.fault, times=1)

    judge = Judge(market)
    prepared = scenario.command == "up" or until_done(stack, "up", outcome)
    with judge.run(outcome, faults):
        if not prepared:
            return outcome
        outcome.struck, process = killed(scenario, stack)
        try:
            recover(stack, scenario.then, outcome, process)
        finally:
            process.close()
    return outcome


def recover(stack: Stack, then: Command, outcome: Outcome, orphan: Process) -> None:
    """Run the next command and in the end `destroy`; count when nobody acts any more."""
    if then == "up" and until_done(stack, "up", outcome):
        if orphan.process.poll() is None:
            orphan.abandon()
            orphan.ended()
        billing = active(stack.market.ledger())
        outcome.unclaimed = [one for one in billing if one != stack.held]
        outcome.hollow = [stack.held] if stack.held and stack.held not in billing else []
    if until_done(stack, "destroy", outcome):
        if orphan.process.poll() is None:
            orphan.abandon()
            orphan.ended()
        outcome.left = active(stack.market.ledger())
