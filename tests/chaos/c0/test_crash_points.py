"""Every point at which a process can die, once and twice, and what the ledger says afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from clore_inference.errors import CloreInferenceError
from support.lease_world import Killed, Plug, Stack, World, new_world
from support.ledger_judge import assert_no_breach, assert_none_left, assert_one_held

Next = Literal["up", "destroy"]
Machine = Literal["same machine", "fresh machine"]

CALM_RUNS = 4
"""An operator who gets an error reads it and runs the command again."""


@dataclass(frozen=True)
class Scenario:
    """A market in which a first `up` runs, or a `destroy` after a calm `up`."""

    prepare: Callable[[World], None]
    command: Next = "up"


def _lagging(world: World) -> None:
    world.double.list_lag_s, world.double.ports_lag_s = 20, 15


def _dropped(world: World) -> None:
    _lagging(world)
    world.double.faults["create_order"] = ["drop_after"]


def _code_1(world: World) -> None:
    world.double.faults["create_order"] = ["offline", "code1_after"]
    world.double.faults["my_orders"] = ["empty_after_error"]


def _liar(world: World) -> None:
    world.liars = {101}
    world.double.faults["cancel_order"] = ["lies"]


def _lying_cancel(world: World) -> None:
    world.double.end_lag_s = 10
    world.double.faults["cancel_order"] = ["lies", "fails_applied"]


SCENARIOS = {
    "calm up": Scenario(lambda _: None),
    "listing lags": Scenario(_lagging),
    "accepted, then the connection drops": Scenario(_dropped),
    "refused, then code 1 but accepted": Scenario(_code_1),
    "host turned down, cancel lies": Scenario(_liar),
    "destroy, cancel lies and then fails but works": Scenario(_lying_cancel, "destroy"),
}


def run(world: World, stack: Stack, command: Next, plug: Plug | None = None) -> None:
    """Run a command; an error of ours leaves the state as it is, as in Pulumi."""
    if command == "up":
        world.up(stack, plug)
    else:
        world.destroy(stack, plug)


def begin(scenario: Scenario) -> tuple[World, Stack]:
    world, stack = new_world(), Stack()
    if scenario.command == "destroy":
        world.up(stack)
    scenario.prepare(world)
    world.double.human_rents(104, "vllm/vllm-openai:latest")
    return world, stack


def crash(world: World, stack: Stack, command: Next, at: int, *, effects_only: bool) -> bool:
    """Run a command with the plug pulled at step `at`; False when it ended before that step."""
    plug = Plug(crash_at=at, effects_only=effects_only)
    try:
        run(world, stack, command, plug)
    except Killed:
        return True
    except CloreInferenceError:
        return plug.seen > at
    return False


def recover(world: World, stack: Stack, command: Next, machine: Machine) -> None:
    """Run the last command on a calm market until it succeeds, then ask the ledger."""
    world.double.faults.clear()
    if machine == "fresh machine":
        world.fresh_machine()
    for attempt in range(CALM_RUNS):
        try:
            run(world, stack, command)
            break
        except CloreInferenceError:
            assert attempt < CALM_RUNS - 1, f"`{command}` never succeeds again"
    if command == "up":
        assert_one_held(world, stack)
        world.destroy(stack)
    assert_none_left(world)
    assert_no_breach(world)


@pytest.mark.parametrize("machine", ["same machine", "fresh machine"])
@pytest.mark.parametrize("after", ["up", "destroy"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_g1_g2_no_order_is_lost_or_doubled_by_a_crash_at_any_point(
    name: str, after: Next, machine: Machine
) -> None:
    scenario = SCENARIOS[name]
    at = 0
    while True:
        world, stack = begin(scenario)
        crashed = crash(world, stack, scenario.command, at, effects_only=False)
        recover(world, stack, after, machine)
        if not crashed:
            break
        at += 1
    assert at > 12, "the scenario has fewer steps than a purchase: the plug is not connected"


@pytest.mark.parametrize("after", ["up", "destroy"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_g1_g2_no_order_is_lost_or_doubled_by_a_second_crash_in_the_recovery(
    name: str, after: Next
) -> None:
    scenario = SCENARIOS[name]
    first, pairs, crashed = 0, 0, True
    while crashed:
        second, crashed_again = 0, True
        while crashed_again:
            world, stack = begin(scenario)
            crashed = crash(world, stack, scenario.command, first, effects_only=True)
            between: Next = "up" if (first + second) % 2 else "destroy"
            machine: Machine = "fresh machine" if second % 3 == 2 else "same machine"
            if machine == "fresh machine":
                world.fresh_machine()
            crashed_again = crash(world, stack, between, second, effects_only=True)
            recover(world, stack, after, "same machine")
            second += 1
            pairs += 1
        first += 1
    assert pairs > 30, "too few pairs of crash points: the plug is not connected"
