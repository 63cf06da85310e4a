"""A clock that only sleeps move."""

from __future__ import annotations

EPOCH = 1_790_000_000.0
TICK_S = 1e-6
"""No two looks at a real clock see the same time."""


class FakeClock:
    """Time that passes only in sleeps."""

    def __init__(self, now: float = EPOCH) -> None:
        self.time = now
        self.slept: list[float] = []

    def now(self) -> float:
        self.time += TICK_S
        return self.time

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.time += seconds
            self.slept.append(seconds)

    def real(self, seconds: float) -> float:
        return seconds
