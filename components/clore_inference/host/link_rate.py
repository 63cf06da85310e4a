"""What a short read of the hub says of a host's link; pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

MOST_BYTES: Final = 256 * 10**6
MOST_REAL_S: Final = 8.0
STREAMS: Final = 4
ENOUGH_BYTES: Final = 8 * 10**6
"""Fewer, in less than the time that was allowed, are over before a connection has sped up."""
TIMEOUT_REAL_S: Final = 60.0


class LinkWish(BaseModel):
    """What is read to measure a host's link, and what the link was asked to bring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str = Field(description="Hub or mirror, without a trailing slash")
    repositories: tuple[str, ...] = Field(
        description="The first that opens without a token is read"
    )
    weights_bytes: int = Field(ge=0, description="What will be fetched over the link")
    expected_mbps: float = Field(gt=0, description="What a new order's link would bring, Mbps")


class LinkRate(BaseModel):
    """What a sample says of a link."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mbps: float | None
    """At the marketplace's speed of time; None where the sample says too little."""
    note: str

    def facts(self) -> dict[str, JsonValue]:
        """As state keeps it."""
        return {"down_mbps": self.mbps, "down_note": self.note}


class _Sample(BaseModel):
    bytes: int = Field(gt=0, le=MOST_BYTES * 2)
    seconds: float = Field(ge=0, le=TIMEOUT_REAL_S)


def rate(text: str, *, scale: float) -> LinkRate:
    """The rate in a host's answer; `scale` is the speed of the marketplace's clock."""
    try:
        found = json.loads(text.strip().splitlines()[-1])
        sample = _Sample.model_validate(found)
    except (ValueError, IndexError, ValidationError):
        return LinkRate(mbps=None, note=f"not measured: {_plain(_reason(text))}")
    if sample.bytes < ENOUGH_BYTES and sample.seconds < MOST_REAL_S:
        note = f"not measured: {sample.bytes} bytes came in {sample.seconds:.1f} s, too few to tell"
        return LinkRate(mbps=None, note=note)
    mbps = sample.bytes * 8 / 1e6 / max(sample.seconds, 1e-3) / scale
    note = f"{sample.bytes / 1e6:.1f} MB in {sample.seconds:.1f} s over {STREAMS} streams"
    return LinkRate(mbps=float(f"{mbps:.3g}"), note=note)


def _reason(text: str) -> str:
    try:
        found: Mapping[str, Any] = json.loads(text.strip().splitlines()[-1])
        return str(found["error"])
    except (ValueError, IndexError, KeyError, TypeError):
        return "the host gave no answer"


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:160]
