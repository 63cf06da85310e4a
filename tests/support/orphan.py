"""A provider process that outlives its engine, while somebody else destroys the stack elsewhere."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from clore_inference.errors import CloreInferenceError

from .lease_world import MemoryStore, Plug, Stack, World, new_world


@dataclass
class Orphan:
    """What an interleaved run left behind."""

    world: World
    reached: bool
    steps: list[str]
    ended: str


def outlive(at: int, *, fenced: bool = True) -> Orphan:
    """Kill the CLI at step `at` of an `up`, destroy from another machine, let the provider go on."""
    world, stack = new_world(), Stack()
    plug = Plug(crash_at=at)
    engine = [True]

    def destroy_elsewhere() -> None:
        engine[0] = not fenced
        ours, alive = world.machine, world.alive
        world.machine, world.alive = MemoryStore(), None
        world.clock.time += 10
        world.destroy(copy.copy(stack))
        world.clock.time += 10
        world.machine, world.alive = ours, alive
        world.double.step = world.machine.step = plug.step

    plug.at_crash = destroy_elsewhere
    world.alive = lambda: engine[0]
    ended = "returned"
    try:
        world.up(stack, plug)
    except CloreInferenceError as error:
        ended = type(error).__name__
    return Orphan(world, plug.seen > at, plug.steps, ended)
