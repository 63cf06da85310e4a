"""One JSON line per request: who asked for what, and the answer. Never a key, never a body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from .ledger import RequestEntry

FILE_NAME: Final = "access.log"


class AccessLog:
    """Appends to a file; without one it drops everything."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / FILE_NAME if directory is not None else None

    def write(self, entry: RequestEntry) -> None:
        """Append one request; the path comes without its query, which could hold anything."""
        if self._path is None:
            return
        line = json.dumps(
            {
                "at": round(entry.at, 3),
                "method": entry.method,
                "path": entry.path,
                "account": entry.account,
                "key": entry.key,
                "status": entry.status,
                "code": entry.code,
                "violation": entry.violation,
                "faults": list(entry.faults),
            }
        )
        with self._path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
