"""One pace per API key, across threads, processes and stacks.

Clore allows one request a second over all endpoints, and one create_order in five (https://docs.clore.ai).
The second is counted from the last answer, so that no delay on the way can push two requests closer
together than the marketplace allows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from clore_inference.clock import Clock
from clore_inference.market.store import Store

REQUEST_INTERVAL_S: Final = 1.02
"""The limit and 2 %: clocks of two machines differ."""
CREATE_INTERVAL_S: Final = 5.05
LONGEST_HOLD_S: Final = 60.0

Kind = Literal["request", "create"]

STAMP: Final = "pacer"


def _nothing() -> None:
    """Wait on."""


class Pacer:
    """Hands out turns; one request at a time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._held = threading.local()

    @contextmanager
    def exclusive(self, waiting: Callable[[], None] = _nothing) -> Iterator[None]:
        """Keep every other process off the marketplace; may be nested in one thread."""
        depth: int = getattr(self._held, "depth", 0)
        if depth:
            yield
            return
        with self._store.lock(STAMP, waiting):
            self._held.depth = 1
            try:
                yield
            finally:
                self._held.depth = 0

    @contextmanager
    def turn(self, kind: Kind, waiting: Callable[[], None] = _nothing) -> Iterator[None]:
        """Wait for the next turn, and count it from the end of the block."""
        with self.exclusive(waiting):
            self._clock.sleep(self.wait_s(kind))
            self._stamp(kind)
            try:
                yield
            finally:
                self._stamp(kind)

    def wait_s(self, kind: Kind) -> float:
        """Marketplace seconds until the next turn."""
        stamp = self._store.read(STAMP) or {}
        now = self._clock.now()
        waits = [self._left(stamp.get("request"), REQUEST_INTERVAL_S, now)]
        if kind == "create":
            waits.append(self._left(stamp.get("create"), CREATE_INTERVAL_S, now))
        hold = stamp.get("hold_until")
        if isinstance(hold, int | float) and now < hold <= now + LONGEST_HOLD_S:
            waits.append(hold - now)
        return max(waits)

    @staticmethod
    def _left(at: object, interval_s: float, now: float) -> float:
        if not isinstance(at, int | float):
            return 0
        # A stamp from the future is a clock that was set back: wait as long as it can matter.
        return max(0.0, min(at + interval_s - now, interval_s))

    def hold(self, seconds: float) -> None:
        """Let nobody with this key ask for so long: the marketplace said that it is too much."""
        with self.exclusive():
            stamp = self._store.read(STAMP) or {}
            until = self._clock.now() + min(seconds, LONGEST_HOLD_S)
            self._store.write(STAMP, {**stamp, "hold_until": until})

    def _stamp(self, kind: Kind) -> None:
        stamp = self._store.read(STAMP) or {}
        now = self._clock.now()
        fresh = {"request": now, "create": now} if kind == "create" else {"request": now}
        self._store.write(STAMP, {**stamp, **fresh})
