"""Whether anybody is still there who will record what is bought.

A provider process outlives a killed CLI. Before every POST, and in every wait, the engine that asked
must still answer; else the process stops, buying and changing nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clore_inference.clock import Clock
from clore_inference.errors import Abandoned

SLICE_S: Final = 5.0
"""Marketplace seconds between two looks in a long wait."""


class Fence:
    """Raises Abandoned once the engine is gone."""

    def __init__(self, engine_alive: Callable[[], bool]) -> None:
        self._engine_alive = engine_alive

    def check(self) -> None:
        """Return while the engine is there."""
        if not self._engine_alive():
            message = (
                "the Pulumi engine that asked for this is gone: this process stops here, buys "
                "nothing and cancels nothing more. What it had begun is found by the next "
                "`pulumi up` or `pulumi destroy`; run `clore-inference recover` first"
            )
            raise Abandoned(message)


class FencedClock:
    """A clock whose waits end when the engine is gone."""

    def __init__(self, clock: Clock, fence: Fence) -> None:
        self._clock = clock
        self._fence = fence

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Wait, looking for the engine in between; raises Abandoned."""
        left = seconds
        while left > 0:
            self._fence.check()
            self._clock.sleep(min(left, SLICE_S))
            left -= SLICE_S
        self._fence.check()

    def real(self, seconds: float) -> float:
        return self._clock.real(seconds)
