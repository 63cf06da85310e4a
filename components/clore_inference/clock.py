"""The one clock that drives pacer, settle windows, deadlines and waits.

Durations are marketplace seconds. Against an emulator on loopback the clock may run faster than the
wall (`scale` marketplace seconds in one real second); against anything else it runs at 1.
"""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Marketplace seconds, comparable between the processes of one machine."""

    def sleep(self, seconds: float) -> None:
        """Wait that many marketplace seconds."""

    def real(self, seconds: float) -> float:
        """How many wall-clock seconds `seconds` take, for time-outs of sockets."""


class WallClock:
    """The wall clock, run `scale` times faster."""

    def __init__(self, scale: float = 1.0) -> None:
        if not scale >= 1:
            message = f"time scale {scale} is below 1: a slower clock would break the rate limit"
            raise ValueError(message)
        self.scale = scale

    def now(self) -> float:
        return time.time() * self.scale

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds / self.scale)

    def real(self, seconds: float) -> float:
        return seconds / self.scale


def is_loopback(url_or_host: str) -> bool:
    """Whether a URL or a bare host is a loopback literal; names never are, `localhost` included."""
    host = urlsplit(url_or_host).hostname if "://" in url_or_host else url_or_host
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def clock_for(api_url: str, scale: float) -> WallClock:
    """Return the clock for a marketplace; faster than the wall only on loopback."""
    if scale != 1 and not is_loopback(api_url):
        message = f"timeScale {scale} needs a marketplace on a loopback address, not {api_url}"
        raise ValueError(message)
    return WallClock(scale)
