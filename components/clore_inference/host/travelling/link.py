"""How fast this host reaches the hub: one short read of something public. Standard library, alone.

    python3 - '{"endpoint": ..., "repositories": [...], "most_bytes": N, "most_s": S, "streams": K}'

Prints one line of JSON: {"bytes", "seconds", "source"}, or {"error"} where nothing can be read. No
token: a gated repository is passed over for the next one. A few streams, since one rarely fills a
link, and no more bytes or seconds than asked for.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from typing import Any
from urllib.parse import quote

TIMEOUT_S = 10.0
PIECE_BYTES = 256 * 1024
AGENT = "clore-inference"


def opened(url: str, **headers: str) -> Any:
    """The answer to a GET; raises OSError."""
    request = urllib.request.Request(url, headers={"User-Agent": AGENT, **headers})  # noqa: S310
    return urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310 - the hub's own address


def largest(endpoint: str, repository: str) -> tuple[str, int]:
    """URL and bytes of the largest file of a repository; raises OSError or ValueError."""
    with opened(f"{endpoint}/api/models/{repository}/tree/main?recursive=true") as answer:
        rows = json.load(answer)
    files = [(int(row.get("size", 0)), str(row["path"])) for row in rows if row["type"] == "file"]
    size, path = max(files)
    return f"{endpoint}/{repository}/resolve/main/{quote(path)}", size


class Sample:
    """What several streams read of one file until one of the limits is reached."""

    def __init__(self, url: str, asked: dict[str, Any]) -> None:
        self._url = url
        self._most_s = float(asked["most_s"])
        self._lock = threading.Lock()
        self._began = 0.0
        self.bytes = 0
        self.seconds = 0.0
        self.error = ""

    def read(self, parts: list[tuple[int, int]]) -> None:
        """Read every part at once, one stream each."""
        threads = [threading.Thread(target=self._part, args=part, daemon=True) for part in parts]
        for thread in threads:
            thread.start()
        until = time.monotonic() + self._most_s + TIMEOUT_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _part(self, first: int, last: int) -> None:
        try:
            with opened(self._url, Range=f"bytes={first}-{last}") as answer:
                self._count(answer)
        except (OSError, ValueError) as error:
            self.error = f"{type(error).__name__}: {error}"

    def _count(self, answer: Any) -> None:
        with self._lock:
            self._began = self._began or time.monotonic()
        while True:
            piece = answer.read1(PIECE_BYTES)
            now = time.monotonic()
            with self._lock:
                self.bytes += len(piece)
                self.seconds = max(self.seconds, now - self._began)
                over = now - self._began >= self._most_s
            if over or not piece:
                return


def sampled(url: str, size: int, asked: dict[str, Any]) -> dict[str, Any]:
    """Measure one file; {"error"} where not one byte came."""
    length = min(size, int(asked["most_bytes"]))
    step = max(1, -(-length // int(asked["streams"])))
    sample = Sample(url, asked)
    sample.read([(first, min(length, first + step) - 1) for first in range(0, length, step)])
    if not sample.bytes:
        return {"error": sample.error or "nothing arrived"}
    return {"bytes": sample.bytes, "seconds": sample.seconds, "source": url}


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Measure the first repository that can be read without a token."""
    error = "no repository to read"
    for repository in asked["repositories"]:
        try:
            found = sampled(*largest(asked["endpoint"], repository), asked)
        except (OSError, ValueError, KeyError, TypeError) as caught:
            found = {"error": f"{type(caught).__name__}: {caught}"}
        if "error" not in found:
            return found
        error = str(found["error"])
    return {"error": error}


if __name__ == "__main__":
    print(json.dumps(measured(json.loads(sys.argv[1]))), flush=True)
