"""Who fetches what next: runs of blocks for any number of streams, and files to hash.

Runs grow shorter towards the end (each is a share of what is left), so that the streams end
together; a stream that falls far behind gives half of its run to one that has nothing to do. A file
that no other stream is at comes first, so that several files are hashed at once.
"""

from __future__ import annotations

import threading
import time
from typing import Optional

from .partial import Partial
from .refusal import Refusal

MOST_RUN_BYTES = 1024 * 1024 * 1024
"""Of one request. CDNs refuse to answer one with more than 50 GB (CloudFront's quota of a GET)."""
SHARE = 2
"""A run is at most this share of what every stream would still get."""
STEAL_BLOCKS = 4
"""A run with more left than that is shared with a stream that has nothing to do..."""
STEAL_AFTER_S = 5.0
"""...once it has taken so long, real seconds: what is on its way to a slow stream comes twice."""
TIMES_DAMAGED = 2
"""How often a file may arrive with another hash before it is given up."""


class Run:
    """Blocks of one file that one stream fetches with one request."""

    def __init__(self, file: Partial, first: int, end: int) -> None:
        self.file = file
        self.first = first
        self.began = time.monotonic()
        self.end = end
        """The block behind the last one; a thief may lower it."""

    @property
    def start_byte(self) -> int:
        """The first byte that is not there yet."""
        return self.first * self.file.block_bytes + int(self.file.counts[self.first])

    @property
    def end_byte(self) -> int:
        """The byte behind the last one."""
        return min(self.file.size, self.end * self.file.block_bytes)


class Work:
    """What is left to do; every method is safe for any thread."""

    def __init__(self, files: list[Partial], streams: int) -> None:
        self._files = files
        self._streams = streams
        self._waiting: dict[str, list[int]] = {
            one.sha256: [number for number in range(one.blocks) if not one.full(number)]
            for one in files
        }
        self._runs: list[Run] = []
        self._to_verify = {one.sha256: one for one in files}
        self._hashing: set[str] = set()
        self._damaged: dict[str, int] = {}
        self._without_ranges: set[str] = set()
        self._change = threading.Condition()
        self.failure: Optional[Refusal] = None  # noqa: UP045 - Python 3.9

    @property
    def over(self) -> bool:
        """Whether everything is verified, or nothing more will be."""
        return bool(self.failure) or not self._to_verify

    def received(self) -> int:
        """Bytes of all files that are on the disk."""
        return sum(one.received for one in self._files)

    def claim(self) -> Optional[Run]:  # noqa: UP045 - Python 3.9
        """The next run for a stream; waits while others may give some back; None at the end."""
        with self._change:
            while not self.over:
                run = self._next() or self._stolen()
                if run:
                    self._runs.append(run)
                    return run
                self._change.wait(1.0)
        return None

    def _next(self) -> Optional[Run]:  # noqa: UP045 - Python 3.9
        busy = [run.file.sha256 for run in self._runs]
        free = [
            one
            for one in self._files
            if self._waiting[one.sha256]
            and not (one.sha256 in self._without_ranges and one.sha256 in busy)
        ]
        if not free:
            return None
        file = min(free, key=lambda one: busy.count(one.sha256))
        waiting = self._waiting[file.sha256]
        count = 1
        most = file.blocks if file.sha256 in self._without_ranges else self._longest(file)
        while count < min(most, len(waiting)) and self._follows(file, waiting, count):
            count += 1
        del waiting[1:count]
        first = waiting.pop(0)
        return Run(file, first, first + count)

    def _longest(self, file: Partial) -> int:
        left = sum(len(one) for one in self._waiting.values())
        most = max(1, MOST_RUN_BYTES // file.block_bytes)
        return max(1, min(most, left // (SHARE * self._streams)))

    def _follows(self, file: Partial, waiting: list[int], count: int) -> bool:
        """Whether the next waiting block is the neighbour, and has nothing of its own yet."""
        return waiting[count] == waiting[0] + count and not file.counts[waiting[count]]

    def _stolen(self) -> Optional[Run]:  # noqa: UP045 - Python 3.9
        slow = [run for run in self._runs if time.monotonic() - run.began >= STEAL_AFTER_S]
        able = [run for run in slow if run.file.sha256 not in self._without_ranges]
        left = {id(run): run.end - self._at(run) for run in able}
        slowest = max(able, key=lambda run: left[id(run)], default=None)
        if slowest is None or left[id(slowest)] <= STEAL_BLOCKS:
            return None
        middle = slowest.end - left[id(slowest)] // 2
        stolen = Run(slowest.file, middle, slowest.end)
        slowest.end = middle
        return stolen

    def _at(self, run: Run) -> int:
        number = run.first
        while number < run.end and run.file.full(number):
            number += 1
        return number

    def give_back(self, run: Run) -> None:
        """A stream is through with its run; what is missing of it is for whoever asks next."""
        with self._change:
            self._runs.remove(run)
            missing = [number for number in range(run.first, run.end) if not run.file.full(number)]
            waiting = self._waiting[run.file.sha256]
            self._waiting[run.file.sha256] = sorted({*waiting, *missing})
            self._change.notify_all()

    def refuses_ranges(self, file: Partial) -> None:
        """The server sends the whole of this file only: one stream, from its start."""
        with self._change:
            if file.sha256 not in self._without_ranges:
                self._without_ranges.add(file.sha256)
                self._again(file)

    def _again(self, file: Partial) -> None:
        file.restart()
        self._waiting[file.sha256] = list(range(file.blocks))
        self._change.notify_all()

    def fail(self, refusal: Refusal) -> None:
        """End everything with this reason; the first one counts."""
        with self._change:
            self.failure = self.failure or refusal
            self._change.notify_all()

    def to_hash(self) -> Optional[Partial]:  # noqa: UP045 - Python 3.9
        """A file with bytes to hash, for this thread alone until `hashed`; None at the end."""
        with self._change:
            while not self.over:
                for name, file in self._to_verify.items():
                    if name not in self._hashing and file.frontier() > file.hashed:
                        self._hashing.add(name)
                        return file
                self._change.wait(0.02)
        return None

    def hashed(self, file: Partial) -> bool:
        """Give a file back; True when it is whole and is what the hub lists."""
        with self._change:
            self._hashing.discard(file.sha256)
            if file.hashed < file.size:
                return False
            found = file.digest.hexdigest()
            if found == file.sha256:
                file.finish()
                del self._to_verify[file.sha256]
                self._change.notify_all()
                return True
            self._reject(file, found)
            return False

    def _reject(self, file: Partial, found: str) -> None:
        times = self._damaged[file.sha256] = self._damaged.get(file.sha256, 0) + 1
        if times < TIMES_DAMAGED:
            self._again(file)
            return
        file.forget()
        self.fail(
            Refusal(
                "hash_mismatch",
                f"{file.path} arrived twice with SHA-256 {found[:16]}..., "
                f"the hub lists {file.sha256[:16]}...",
            )
        )
