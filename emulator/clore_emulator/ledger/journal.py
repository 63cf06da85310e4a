"""The ledger on disk: one event per line, appended before the answer goes out.

What was appended survives `kill -9` of the emulator. A last line that was cut short by the kill is
dropped: its request got no answer either. One emulator at a time may use a state directory.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any, Final

from .book import Ledger

FILE_NAME: Final = "ledger.jsonl"


class StateInUse(Exception):
    """Another emulator holds the state directory."""


class Journal:
    """Applies events to a ledger and keeps them; without a directory it only applies them."""

    def __init__(self, directory: Path | None = None) -> None:
        """Replay what is there; raises StateInUse or, for a damaged file, ValueError."""
        self.ledger = Ledger()
        self._file: int | None = None
        if directory is None:
            return
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / FILE_NAME
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock(directory)
        self._replay(path)

    @property
    def is_new(self) -> bool:
        """Whether nothing was recorded yet."""
        return not self.ledger.opened_at

    def record(self, kind: str, at: float, **fields: Any) -> None:
        """Apply one event and keep it."""
        event = {"kind": kind, "at": at, **fields}
        line = json.dumps(event, separators=(",", ":")) + "\n"
        self.ledger.apply(json.loads(line))
        if self._file is not None:
            os.write(self._file, line.encode())

    def close(self) -> None:
        """Let another emulator use the directory."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock(self, directory: Path) -> None:
        if self._file is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            self._file = None
            message = (
                f"another emulator is running on {directory}. Two would bill the same orders "
                "twice. Stop that one, or give another directory with --state."
            )
            raise StateInUse(message) from None

    def _replay(self, path: Path) -> None:
        content = path.read_bytes()
        complete = content.rfind(b"\n") + 1
        if complete < len(content) and self._file is not None:
            os.ftruncate(self._file, complete)
        for number, line in enumerate(content[:complete].splitlines(), 1):
            try:
                event = json.loads(line)
            except json.JSONDecodeError as error:
                message = f"{path} is damaged in line {number}: {error}. Use another --state."
                raise ValueError(message) from None
            self.ledger.apply(event)
