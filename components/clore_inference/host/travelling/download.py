"""Fetches large files over several streams at once, and hashes them while they arrive."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Optional

from . import room
from .partial import Partial, Superseded
from .ranged import Answered, NoRanges, Place, Short, Stream, trusted
from .refusal import Refusal, cause
from .schedule import Run, Work

STREAMS = 8
"""Files, or parts of one, at once; the hub client's own default."""
HASHERS = 4
"""Threads that hash, at most one for each processor: SHA-256 runs at about 1.4 GB/s on one."""
TRIES = 6
"""Failures in a row without one new byte before the network is given up."""
FIRST_WAIT_S = 1.0
"""Marketplace seconds before the second try; doubled for each further one: 31 s in all."""
MOST_WAIT_S = 300.0
"""Of what a server may ask for; the hub's own windows are five minutes."""
END_S = 5.0
"""Real seconds for streams to take what is on its way to them, once the whole has failed."""
_PLACE_IS_STALE = (401, 403, 404, 410)
"""An address that was good for a while only, as signed ones of a CDN are."""
_FULL = ("disk_full", "quota")

Resolve = Callable[[Partial], Place]


class Download:
    """One download of some files into their places."""

    def __init__(
        self, files: list[Partial], folder: Path, *, resolve: Resolve, scale: float
    ) -> None:
        self._folder = folder
        self._files = files
        self._resolve = resolve
        self._scale = scale
        self._work = Work(files, STREAMS)
        self._places: dict[str, Place] = {}
        self._quiet_until = 0.0
        self._resolving = {one.sha256: threading.Lock() for one in files}

    def run(self, arrived: Callable[[Partial], None]) -> None:
        """Bring every file and call `arrived` for each that is whole; raises Refusal."""
        hashers = max(1, min(HASHERS, os.cpu_count() or 1))
        threads = [
            *(threading.Thread(target=self._stream, daemon=True) for _ in range(STREAMS)),
            *(threading.Thread(target=self._hash, args=(arrived,), daemon=True)
              for _ in range(hashers)),
        ]  # fmt: skip
        for thread in threads:
            thread.start()
        for thread in threads[STREAMS:]:
            thread.join()
        until = time.monotonic() + END_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        if self._work.failure:
            raise self._work.failure

    def _hash(self, arrived: Callable[[Partial], None]) -> None:
        try:
            while True:
                file = self._work.to_hash()
                if file is None:
                    return
                while file.hash_on():
                    pass
                if self._work.hashed(file):
                    arrived(file)
        except Exception as error:  # noqa: BLE001 - a thread's end must end the whole
            self._work.fail(cause(error))

    def _stream(self) -> None:
        stream = Stream(trusted())
        patience = _Patience(self._work, self._scale)
        while True:
            run = self._work.claim()
            if run is None:
                stream.close()
                return
            before = run.file.received
            try:
                self._stay_away()
                self._bring(stream, run)
                patience.renew()
            except NoRanges:
                self._work.refuses_ranges(run.file)
            except Superseded:
                pass
            except Exception as error:  # noqa: BLE001 - every end of this thread has a name
                stream.close()
                self._work.give_back(run)
                self._judge(error, patience, moved=run.file.received > before)
                continue
            self._work.give_back(run)

    def _bring(self, stream: Stream, run: Run) -> None:
        """Fetch a run from where its file lies now; an address that went stale is looked up again."""
        refused = self._tried(stream, run)
        if refused and refused.was_known:
            refused = self._tried(stream, run)
        if refused:
            raise refused

    def _tried(self, stream: Stream, run: Run) -> Optional[Answered]:  # noqa: UP045 - Python 3.9
        """The refusal of an address; whatever else goes wrong is raised."""
        known = self._places.get(run.file.sha256)
        place = known or self._place(run.file)
        try:
            stream.bring(run, place)
        except Answered as answer:
            if answer.status not in _PLACE_IS_STALE:
                raise
            if self._places.get(run.file.sha256) is place:
                del self._places[run.file.sha256]
            answer.was_known = known is not None
            answer.final = place.is_hub and not answer.was_known
            return answer
        return None

    def _place(self, file: Partial) -> Place:
        with self._resolving[file.sha256]:
            if file.sha256 not in self._places:
                self._places[file.sha256] = self._resolve(file)
            return self._places[file.sha256]

    def _judge(self, error: Exception, patience: _Patience, *, moved: bool) -> None:
        if self._work.over:
            return
        if isinstance(error, OSError) and cause(error).kind in _FULL:
            missing = sum(one.missing_space() for one in self._files if not one.blob.exists())
            self._work.fail(room.no_room(error, missing, self._folder))
            return
        found = _named(error)
        final = (
            isinstance(error, Refusal) or found.kind != "network"
        )  # it was persisted with already
        if final or not patience.goes_on(moved=moved):
            self._work.fail(found)
            return
        if isinstance(error, Answered) and error.wait_s:
            wait_s = min(MOST_WAIT_S, error.wait_s) / self._scale
            self._quiet_until = max(self._quiet_until, time.monotonic() + wait_s)
        patience.wait()

    def _stay_away(self) -> None:
        """Wait as long as the hub asked any stream to: its limits count them together."""
        while time.monotonic() < self._quiet_until and not self._work.over:
            time.sleep(min(0.2, max(0.0, self._quiet_until - time.monotonic())))


def _named(error: Exception) -> Refusal:
    if isinstance(error, Answered):
        if not error.final:
            return Refusal("network", str(error))
        if error.status in (401, 403):
            return Refusal("gated", str(error))
        return Refusal("not_found", str(error))
    if isinstance(error, (Short, http.client.HTTPException)):
        return Refusal("network", str(error) or type(error).__name__)
    return cause(error)


class _Patience:
    """How long one stream goes on trying: a byte of any stream renews it."""

    def __init__(self, work: Work, scale: float) -> None:
        self._work = work
        self._scale = scale
        self._failures = 0
        self._seen = -1

    def renew(self) -> None:
        """A run was brought."""
        self._failures = 0

    def goes_on(self, *, moved: bool) -> bool:
        """Count a failure; False when it was one too many."""
        received = self._work.received()
        self._failures = 1 if moved else self._failures + 1
        if received > self._seen and self._failures >= TRIES:
            self._failures = TRIES - 1  # others get their bytes: the hub limits connections
        self._seen = received
        return self._failures < TRIES

    def wait(self) -> None:
        """Wait, longer with each failure."""
        until = time.monotonic() + FIRST_WAIT_S * 2 ** (self._failures - 1) / self._scale
        while time.monotonic() < until and not self._work.over:
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))
