"""Several processes on one virtual clock: one runs at a time, and time passes when all of them wait.

Exact and deterministic: a thread for each process, a turn handed on in every sleep and at every lock
that somebody else holds. The one that wakes first goes first; ties go by number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .fake_clock import FakeClock
from .lease_world import MemoryStore

STUCK_AFTER_REAL_S = 60.0


class VirtualProcesses(FakeClock):
    """Runs functions side by side; is the clock that they share."""

    def __init__(self) -> None:
        super().__init__()
        self._wakes: dict[int, float] = {}
        self._running = -1
        self._baton = threading.Condition()
        self._number = threading.local()
        self._errors: list[BaseException] = []

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._wait_until(self.time + seconds)

    def run(self, *functions: Callable[[], None]) -> None:
        """Run them to their ends; raises the first error of any."""
        self._wakes = dict.fromkeys(range(len(functions)), self.time)
        threads = [
            threading.Thread(target=self._main, args=(number, function), daemon=True)
            for number, function in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        with self._baton:
            self._hand_on()
        for thread in threads:
            thread.join(STUCK_AFTER_REAL_S)
            assert not thread.is_alive(), "the processes wait for each other"
        if self._errors:
            raise self._errors[0]

    def _main(self, number: int, function: Callable[[], None]) -> None:
        self._number.value = number
        self._take(number)
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self._errors.append(error)
        with self._baton:
            self._hand_on()

    def _wait_until(self, moment: float) -> None:
        number: int = self._number.value
        with self._baton:
            self._wakes[number] = moment
            self._hand_on()
        self._take(number)

    def _take(self, number: int) -> None:
        with self._baton:
            assert self._baton.wait_for(lambda: self._running == number, STUCK_AFTER_REAL_S)

    def _hand_on(self) -> None:
        if not self._wakes:
            return
        number = min(self._wakes, key=lambda one: (self._wakes[one], one))
        self.time = max(self.time, self._wakes.pop(number))
        self._running = number
        self._baton.notify_all()


class SharedStore(MemoryStore):
    """The state directory that they share; a held lock is waited for in virtual time."""

    POLL_S = 0.02
    """How often a file lock is tried again, see `store.FileStore`."""

    def __init__(self, clock: VirtualProcesses) -> None:
        super().__init__()
        self._clock = clock

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        while name in self.locked:
            waiting()
            self._clock.sleep(self.POLL_S)
        with super().lock(name, waiting):
            yield
