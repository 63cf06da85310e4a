"""Lines on standard error that say what a long step does, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

SAY_EVERY_S: Final = 10.0


def say(text: str) -> None:
    """Print one line for people; standard output is for programs."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Repeats where a step stands, at most every ten seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = self._last = clock()

    def elapsed(self) -> str:
        """Return the time since the beginning, as `3 min 05 s` or `45 s`."""
        minutes, seconds = divmod(int(self._clock() - self._begun), 60)
        return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"

    def report(self, text: str) -> None:
        """Say it if the last line is old enough."""
        if self._clock() - self._last >= SAY_EVERY_S:
            self._last = self._clock()
            say(f"  {self.elapsed()}: {text}")
