"""How much of a link a fetch uses: our fetch and bare sockets over the same throttled hub, in one run.

Both arms share a link of a fixed rate. The bare arm reads as many streams at once and throws the
bytes away; ours also writes, hashes, lists, lays out and verifies. The ratio is what is asked for.
"""

from __future__ import annotations

import http.client
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from clore_inference.host.job import FetchJob
from support.box import Box, a_box
from support.small_hub import COMMIT, REPOSITORY, SmallHub, a_hub

BYTES_PER_S: Final = 25_000_000
"""Slow enough for two busy processors, so that the link is what limits both arms."""
MB: Final = 1_000_000
SHARDS: Final = {f"model-{number:05d}-of-00006.safetensors": 40 * MB for number in range(1, 7)}
ONE_FILE: Final = {"weights-Q4_K_M.gguf": 240 * MB}
STREAMS: Final = 8
PAIRS: Final = 3


def measure() -> dict[str, Any]:
    """Ratios of the rates, ours to bare, for several files and for one large one."""
    return {
        "link_mb_per_s": BYTES_PER_S / MB,
        "bytes": sum(ONE_FILE.values()),
        "pairs": PAIRS,
        "six_files": _ratio(SHARDS),
        "one_file": _ratio(ONE_FILE),
    }


def _ratio(sizes: dict[str, int]) -> dict[str, Any]:
    dice = random.Random(1)  # noqa: S311 - content that no link can guess
    files = {"config.json": b"{}", **{name: dice.randbytes(size) for name, size in sizes.items()}}
    with a_hub(files, bytes_per_s=BYTES_PER_S) as hub:
        for path in files:
            hub.row(path)
        pairs = [(_bare(hub, sizes), _ours(hub)) for _ in range(PAIRS)]
    total = sum(sizes.values())
    return {
        "ratio": round(statistics.median(bare / ours["transfer"] for bare, ours in pairs), 3),
        "ratio_with_listing_and_layout": round(
            statistics.median(bare / ours["whole"] for bare, ours in pairs), 3
        ),
        "bare_mb_per_s": round(statistics.median(total / bare / MB for bare, _ in pairs), 1),
        "ours_mb_per_s": round(
            statistics.median(total / ours["transfer"] / MB for _, ours in pairs), 1
        ),
    }


def _bare(hub: SmallHub, sizes: dict[str, int]) -> float:
    """Seconds for bare sockets, in a process of its own as ours is."""
    total, parts = sum(sizes.values()), []
    for name, size in sizes.items():
        share = max(1, STREAMS * size // total)
        step = -(-size // share)
        parts += [(name, first, min(size, first + step) - 1) for first in range(0, size, step)]
    done = subprocess.run(
        [sys.executable, __file__, hub.url, *(f"{n}:{a}:{b}" for n, a, b in parts)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _read(url: str, part: str) -> None:
    name, first, last = part.split(":")
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port)
    path = f"/{REPOSITORY}/resolve/{COMMIT}/{name}"
    connection.request("GET", path, headers={"Range": f"bytes={first}-{last}"})
    answer = connection.getresponse()
    while answer.read(256 * 1024):
        pass
    connection.close()


def _ours(hub: SmallHub) -> dict[str, float]:
    """Seconds of a whole fetch as a host runs it, and from its first byte to its last."""
    with tempfile.TemporaryDirectory() as scratch, a_box(Path(scratch)) as box:
        before = len(hub.asked_at)
        began = time.monotonic()
        box.start(FetchJob(repository=REPOSITORY, endpoint=hub.url), scale=1)
        _wait(box)
        whole = time.monotonic() - began
        started = Path(box.home) / ".clore-inference" / "jobs" / "weights"
        result = max(path.stat().st_mtime for path in started.glob("*/result.json"))
        first = hub.asked_at[before] - time.monotonic() + time.time()
        return {"whole": whole, "transfer": result - first}


def _wait(box: Box) -> None:
    """Look at the host's own document, which costs it no process."""
    jobs = box.home / ".clore-inference" / "jobs" / "weights"
    until = time.monotonic() + 300
    while not list(jobs.glob("*/result.json")):
        assert time.monotonic() < until, "the fetch does not end"
        time.sleep(0.05)
    assert box.until("weights", "complete", "failed")["state"] == "complete"


def main() -> None:
    """The bare arm: read every part at once and print the seconds."""
    url, *parts = sys.argv[1:]
    threads = [threading.Thread(target=_read, args=(url, part)) for part in parts]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(time.monotonic() - began)


if __name__ == "__main__":
    os.nice(0)
    main()
