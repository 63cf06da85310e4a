"""What a follower says while a job runs: bytes, rate, time left, stages; pure.

Few lines: what is printed is kept in Pulumi's state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from clore_inference.units import GB, duration, rate, size

EVERY_REAL_S: Final = 10.0
"""Real seconds between two lines without news, at first..."""
MOST_REAL_S: Final = 60.0
LATER_SHARE: Final = 0.05
"""...and later this share of what has passed: two hours of a slow link are 120 lines of state."""
WINDOW_S: Final = 60.0
"""Marketplace seconds that the rate is measured over."""


class Progress:
    """Turns what a host says of a job into lines worth showing; all times are given by the caller."""

    def __init__(self, kind: str, *, total_bytes_hint: int = 0, estimate_s: float = 0) -> None:
        self._kind = kind
        self._hint = total_bytes_hint
        self._estimate_s = estimate_s
        self._samples: deque[tuple[float, int]] = deque()
        self._since: float | None = None
        self._began_real: float | None = None
        self._shown_at: float | None = None
        self._shown_stage = ""

    def line(self, status: Mapping[str, Any], *, now_s: float, real_s: float) -> str | None:
        """The line to show now, or None; `now_s` is marketplace time, `real_s` the wall's."""
        if self._since is None:
            self._since = now_s
        stage = f"{status.get('state')} {status.get('stage')}"
        text = (
            self._weights(status, now_s) if self._kind == "weights" else self._engine(status, now_s)
        )
        if self._began_real is None:
            self._began_real = real_s
        apart_s = LATER_SHARE * (real_s - self._began_real)
        every_s = min(MOST_REAL_S, max(EVERY_REAL_S, apart_s))
        due = self._shown_at is None or real_s - self._shown_at >= every_s
        if not due and stage == self._shown_stage:
            return None
        self._shown_at, self._shown_stage = real_s, stage
        return text

    def _weights(self, status: Mapping[str, Any], now_s: float) -> str:
        progress = status.get("progress") or {}
        done, total = int(progress.get("bytes_done", 0)), int(progress.get("bytes_total", 0))
        if not total:
            expected = f", about {size(self._hint)}" if self._hint else ""
            return f"weights: listing the files{expected}"
        text = f"weights: {amounts(done, total)} ({100 * done // total} %)"
        if status.get("stage") == "verifying":
            return f"{text}, verifying"
        speed = self._rate(now_s, done)
        if speed > 0 and done < total:
            text += f", {rate(speed)}, {duration((total - done) / speed)} left"
        return text

    def _arrived(self, status: Mapping[str, Any], now_s: float) -> str:
        """How far an install is, where it is fetching."""
        progress = status.get("progress") or {}
        done, total = int(progress.get("bytes_done", 0)), int(progress.get("bytes_total", 0))
        if not total or not str(status.get("stage")).startswith("fetching"):
            return ""
        speed = self._rate(now_s, done)
        left = f", {rate(speed)}, {duration((total - done) / speed)} left" if speed > 0 else ""
        return f": {amounts(done, total)} ({100 * done // total} %){left}"

    def _rate(self, now_s: float, done: int) -> float:
        """Bytes per second over the window; 0 until two measurements are apart."""
        samples = self._samples
        samples.append((now_s, done))
        while len(samples) > 2 and now_s - samples[0][0] > WINDOW_S:
            samples.popleft()
        elapsed = now_s - samples[0][0]
        return max(0.0, (done - samples[0][1]) / elapsed) if elapsed > 0 else 0.0

    def _engine(self, status: Mapping[str, Any], now_s: float) -> str:
        elapsed = now_s - (now_s if self._since is None else self._since)
        text = f"engine: {status.get('state')}, {status.get('stage') or 'starting'}"
        if status.get("state") == "installing":
            return text + self._arrived(status, now_s)
        restarts = int(status.get("restarts") or 0)
        if restarts:
            text += f", restart {restarts}"
        text += f", {duration(elapsed)}"
        return text + (f" of about {duration(self._estimate_s)}" if self._estimate_s else "")


def amounts(done: int, total: int) -> str:
    """Two amounts in the unit of the larger: `41.3 of 133.6 GB`."""
    for unit, factor in (("GB", GB), ("MB", 10**6), ("kB", 10**3)):
        if total >= factor:
            return f"{done / factor:.1f} of {total / factor:.1f} {unit}"
    return f"{done} of {total} B"
