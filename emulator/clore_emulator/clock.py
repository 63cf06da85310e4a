"""The market's own time: it runs `scale` times faster than the wall and can be advanced.

A restart continues where the ledger ended: while the emulator is down, its world stands still.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

LONGEST_NAP_S = 0.5
"""Real seconds; waits look again at least this often, so that an advanced clock is noticed."""


class VirtualClock:
    """Unix seconds of the emulated world."""

    def __init__(
        self,
        *,
        start: float,
        scale: float = 1.0,
        source: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (math.isfinite(scale) and scale > 0):
            message = f"time scale {scale} must be a number above 0"
            raise ValueError(message)
        self.scale = scale
        self._source = source
        self._start = start
        self._origin = source()

    def now(self) -> float:
        """Virtual unix seconds."""
        return self._start + (self._source() - self._origin) * self.scale

    def advance(self, seconds: float) -> float:
        """Jump forward and return the new time; the clock never goes back."""
        if not (math.isfinite(seconds) and seconds >= 0):
            message = f"cannot advance the clock by {seconds} s: it never goes back"
            raise ValueError(message)
        self._start += seconds
        return self.now()

    def real(self, seconds: float) -> float:
        """How many wall-clock seconds `seconds` of virtual time take."""
        return seconds / self.scale

    async def sleep(self, seconds: float) -> None:
        """Wait virtual seconds; an advance cuts the wait short."""
        await self.sleep_until(self.now() + seconds)

    async def sleep_until(self, moment: float) -> None:
        """Wait until a virtual moment."""
        while (left := moment - self.now()) > 0:  # noqa: ASYNC110 - the clock may jump
            await asyncio.sleep(min(self.real(left), LONGEST_NAP_S))
