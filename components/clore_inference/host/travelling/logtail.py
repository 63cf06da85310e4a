"""An engine's log: read as it grows, kept below a size, its last lines at hand."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

from .death import TAIL_LINES, presentable

LARGEST_LOG_BYTES = 20 * 1024 * 1024
"""A log and the one before it: at most 40 MB of a disk that is sized for the weights."""
READ_BYTES = 1024 * 1024
WINDOW_LINES = 400
"""Lines that the cause of a death is looked for in: a traceback of several workers is 200 or so."""

_LINE_END = re.compile(r"\r\n|\n|\r")


class LogTail:
    """Follows a file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = ""
        self._window: deque[str] = deque(maxlen=WINDOW_LINES)
        path.touch(mode=0o600)

    def new_lines(self) -> list[str]:
        """The whole lines since the last call; a progress bar's return ends one as well."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            piece = file.read(READ_BYTES)
        self._offset += len(piece)
        lines = _LINE_END.split(self._rest + piece.decode("utf-8", errors="replace"))
        self._rest = lines.pop()
        found = [line for line in lines if line.strip()]
        self._window.extend(found)
        self._limit()
        return found

    def rest(self) -> list[str]:
        """Everything that is left after the writer has ended."""
        found: list[str] = []
        while self._offset < self._path.stat().st_size:
            found.extend(self.new_lines())
        if self._rest.strip():
            self._window.append(self._rest)
            found.append(self._rest)
            self._rest = ""
        return found

    def window(self) -> list[str]:
        """The last lines, as they were written."""
        return list(self._window)

    def tail(self, secrets: tuple[str, ...]) -> list[str]:
        """The last few lines, fit to be shown."""
        return [presentable(line, secrets) for line in list(self._window)[-TAIL_LINES:]]

    def _limit(self) -> None:
        """Move what is read aside when it grows; the writer appends, so it goes on at the start."""
        if self._offset <= LARGEST_LOG_BYTES:
            return
        self._path.with_suffix(".log.1").write_bytes(self._path.read_bytes())
        with self._path.open("r+b") as file:
            file.truncate(0)
        self._offset = 0
