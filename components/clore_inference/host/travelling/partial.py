"""One large file under way: which of its bytes are on the disk, and the hash of those so far.

Its data lies sparse in `blobs/<sha256>.part`; `<sha256>.blocks` beside it counts the bytes of each
block, in order from the block's start. A count is written after its bytes, so a process that is
killed at any point loses none that it counted. Hashing follows behind the writing, and reads what
the kernel still has in memory.
"""

from __future__ import annotations

import array
import hashlib
import os
import sys
import threading
from pathlib import Path

BLOCK_BYTES = 8 * 1024 * 1024
"""The unit that streams share a file by; kept in the file of counts, which is void if it differs."""
HASH_PIECE_BYTES = 4 * 1024 * 1024
_WORD = 8
"""Bytes of one count; counts are little-endian, as every host's processor is."""


class Superseded(Exception):
    """Somebody else fetches these bytes by now, or they were forgotten."""


class Partial:
    """A file that arrives in blocks; `write` is safe for any number of threads on other blocks."""

    def __init__(self, blob: Path, path: str, size: int, sha256: str) -> None:
        self.blob = blob
        self.path = path
        self.size = size
        self.sha256 = sha256
        self.data_path = blob.with_name(f"{blob.name}.part")
        self.counts_path = blob.with_name(f"{blob.name}.blocks")
        self.block_bytes = BLOCK_BYTES
        self.blocks = -(-size // BLOCK_BYTES)
        self.counts = array.array("Q", bytes(_WORD * self.blocks))
        self.received = 0
        self.hashed = 0
        self.digest = hashlib.sha256()
        self._full = 0
        self._data = self._counts = -1
        self._lock = threading.Lock()
        self._hashing = threading.Lock()

    def open(self) -> None:
        """Open both files and go on from what an earlier process left; raises OSError."""
        self.blob.parent.mkdir(parents=True, exist_ok=True)
        whole_prefix = self._adopted()
        self._data = os.open(str(self.data_path), os.O_RDWR | os.O_CREAT, 0o644)
        self._counts = os.open(str(self.counts_path), os.O_RDWR | os.O_CREAT, 0o600)
        if not self._load():
            os.ftruncate(self._data, whole_prefix)
            self._begin(whole_prefix)
        self.received = sum(self.counts)

    def _adopted(self) -> int:
        """Bytes of a file that a client began at its start and left, now ours; 0 without one."""
        before = self.blob.with_name(f"{self.blob.name}.incomplete")
        if self.data_path.exists() or not before.is_file():
            return 0
        before.replace(self.data_path)
        return min(self.size, self.data_path.stat().st_size)

    def _load(self) -> bool:
        """Read the counts; False when there are none that fit this file and its data."""
        raw = os.pread(self._counts, _WORD * (self.blocks + 1), 0)
        words = array.array("Q")
        words.frombytes(raw[: len(raw) // _WORD * _WORD])
        if sys.byteorder != "little":
            words.byteswap()
        if len(words) != self.blocks + 1 or words[0] != self.block_bytes:
            return False
        reach = os.fstat(self._data).st_size
        for number, count in enumerate(words[1:]):
            end = number * self.block_bytes + count
            if count > self.length(number) or (count and end > reach):
                return False
        self.counts = words[1:]
        return True

    def _begin(self, prefix: int) -> None:
        os.ftruncate(self._counts, 0)
        for number in range(self.blocks):
            here = prefix - number * self.block_bytes
            self.counts[number] = max(0, min(self.length(number), here))
        os.pwrite(self._counts, self.block_bytes.to_bytes(_WORD, "little"), 0)
        for number in range(self.blocks):
            self._note(number)
        self.hashed = self._full = 0
        self.digest = hashlib.sha256()

    def restart(self) -> None:
        """Forget every byte: what is there is damaged, or no range of it can be asked for."""
        with self._hashing, self._lock:
            os.ftruncate(self._data, 0)
            self.counts = array.array("Q", bytes(_WORD * self.blocks))
            self._begin(0)
            self.received = 0

    def length(self, number: int) -> int:
        """Bytes of a block; the last one is what is left."""
        return min(self.block_bytes, self.size - number * self.block_bytes)

    def full(self, number: int) -> bool:
        """Whether a block is on the disk."""
        return int(self.counts[number]) == self.length(number)

    def write(self, offset: int, piece: memoryview) -> None:
        """Put bytes where they belong; raises Superseded if they do not follow on their block's."""
        written = 0
        while written < len(piece):
            at = offset + written
            number = at // self.block_bytes
            end = number * self.block_bytes + self.length(number)
            part = piece[written : written + end - at]
            if at != number * self.block_bytes + int(self.counts[number]):
                raise Superseded
            self._put(part, at)
            with self._lock:
                self.counts[number] += len(part)
                self.received += len(part)
            self._note(number)
            written += len(part)

    def _put(self, part: memoryview, at: int) -> None:
        while part:
            count = os.pwrite(self._data, part, at)
            part, at = part[count:], at + count

    def _note(self, number: int) -> None:
        word = int(self.counts[number]).to_bytes(_WORD, "little")
        os.pwrite(self._counts, word, _WORD * (number + 1))

    def frontier(self) -> int:
        """How many bytes there are without a gap from the start."""
        with self._lock:
            while self._full < self.blocks and self.full(self._full):
                self._full += 1
            rest = int(self.counts[self._full]) if self._full < self.blocks else 0
            return min(self.size, self._full * self.block_bytes + rest)

    def hash_on(self) -> bool:
        """Hash some of what has arrived in order; False when there is nothing new. One thread."""
        with self._hashing:
            length = min(HASH_PIECE_BYTES, self.frontier() - self.hashed)
            if length <= 0:
                return False
            piece = os.pread(self._data, length, self.hashed)
            self.digest.update(piece)
            self.hashed += len(piece)
            return True

    def finish(self) -> None:
        """Put the verified file in its place; nothing of ours stays beside it."""
        self.close()
        self.data_path.replace(self.blob)
        self.counts_path.unlink()

    def forget(self) -> None:
        """Remove what has arrived."""
        self.close()
        self.data_path.unlink()
        self.counts_path.unlink()

    def close(self) -> None:
        """Close both files; what is on the disk stays."""
        with self._lock:
            for descriptor in (self._data, self._counts):
                if descriptor >= 0:
                    os.close(descriptor)
            self._data = self._counts = -1

    @property
    def descriptor(self) -> int:
        """Of the data, for reserving its space."""
        return self._data

    def missing_space(self) -> int:
        """Bytes that the disk must still give to this file, whatever of it is reserved already."""
        held = os.fstat(self._data).st_blocks * 512
        return max(0, self.size - max(held, self.received))
