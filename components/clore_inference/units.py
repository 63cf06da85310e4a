"""Amounts as people read them: bytes, durations, money, rates."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Final

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3
GB: Final = 10**9
SECONDS_PER_HOUR: Final = 3600
SECONDS_PER_DAY: Final = 86400
CENT: Final = Decimal("0.01")


def size(count: float) -> str:
    """Bytes in decimal units, as disks and links are sold: `133.6 GB`."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} B"


def gib(count: float) -> str:
    """Bytes in GiB, as GPU memory is counted: `124.4 GiB`."""
    return f"{count / GIB:.1f} GiB"


def duration(seconds: float) -> str:
    """Seconds in at most two units: `45 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    steps = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
    for large, large_name, small, small_name in steps:
        if total >= large:
            rest = total % large // small
            tail = f" {rest} {small_name}" if rest else ""
            return f"{total // large} {large_name}{tail}"
    raise AssertionError(total)


def usd(amount: Decimal) -> str:
    """Dollars and cents, half up: `43.20 USD`; an amount below a cent keeps four digits."""
    if amount and abs(amount) < CENT:
        return f"{amount.quantize(Decimal('0.0001'), ROUND_HALF_UP)} USD"
    return f"{amount.quantize(CENT, ROUND_HALF_UP)} USD"


def usd_ceiling(amount: Decimal) -> Decimal:
    """Round up to a cent: what is promised as "at most"."""
    return amount.quantize(CENT, ROUND_CEILING)


def per_hour(usd_per_day: Decimal) -> Decimal:
    """A day's price as an hour's, exact."""
    return usd_per_day / 24


def rate(bytes_per_second: float) -> str:
    """A transfer rate: `112.0 MB/s`."""
    return f"{size(bytes_per_second)}/s"
