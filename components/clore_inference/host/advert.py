"""Where a host is less than its marketplace row said, with both values; pure.

A row is rounded, and written by somebody who wants to sell: what a machine of that description
usually loses to firmware, image and rounding is no lie. A test of the link is the marketplace's own
and some days old, so a slow link is weighed elsewhere (`sizing/replacement.py`), not called a lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from clore_inference.units import GB, GIB, MIB

GPU_MEMORY_SHARE: Final = 0.97
"""`specs.gpuram` is GiB, rounded down or to the next whole one."""
MEMORY_SHARE: Final = 0.9
"""`specs.ram` is GiB as the kernel sees it; a container may be shown a little less."""
DISK_SHARE: Final = 0.5
"""`specs.disk` is free space before the image came, and other renters' images may have come."""
IMAGE_GB: Final = 30.0
"""An engine's image, unpacked: its layers lie on the disk that was advertised."""


def broken_promises(facts: Mapping[str, Any], advertised: Mapping[str, Any]) -> tuple[str, ...]:
    """Every way in which attested facts fall short of a row's `specs`; what it leaves out is free."""
    return (
        *_gpus(facts.get("gpus") or [], advertised),
        *_less(
            "main memory",
            _times(facts.get("memory_gb"), GB / GIB),
            _number(advertised.get("ram")),
            "GiB",
            share=MEMORY_SHARE,
        ),
        *_disk(facts, advertised),
        *_lanes(facts, advertised),
    )


def _gpus(gpus: list[Mapping[str, Any]], advertised: Mapping[str, Any]) -> list[str]:
    sold = re.match(r"(\d+)x (\S.*)", str(advertised.get("gpu", "")).strip())
    if sold is None or not gpus:
        return []
    found = []
    if len(gpus) < int(sold.group(1)):
        found.append(f"GPUs: {len(gpus)} instead of the advertised {sold.group(1)}")
    name = str(sold.group(2)).strip()
    others = sorted(
        {str(gpu["name"]) for gpu in gpus if squashed(str(gpu["name"])) != squashed(name)}
    )
    if others:
        found.append(f"GPU name: {', '.join(others)} instead of the advertised {_plain(name)}")
    least = min(float(gpu["memory_mib"]) for gpu in gpus) * MIB / GIB
    sold_gib = _number(advertised.get("gpuram"))
    return [*found, *_less("GPU memory", least, sold_gib, "GiB", share=GPU_MEMORY_SHARE)]


def _disk(facts: Mapping[str, Any], advertised: Mapping[str, Any]) -> list[str]:
    sold = re.search(r"([\d.]+)\s*GB\s*$", str(advertised.get("disk", "")))
    sold_gb = _number(sold.group(1)) if sold else None
    if sold_gb is None:
        return []
    share = max(0.0, DISK_SHARE * (sold_gb - IMAGE_GB)) / sold_gb if sold_gb else 0.0
    return _less("free disk", facts.get("disk_free_gb"), sold_gb, "GB", share=share)


def _lanes(facts: Mapping[str, Any], advertised: Mapping[str, Any]) -> list[str]:
    sold, seen = _number(advertised.get("pcie_width")), facts.get("pcie_width")
    if not sold or seen is None or seen >= sold:
        return []
    return [f"PCIe lanes: {seen} instead of the advertised {sold:g}"]


def _less(
    label: str, seen: float | None, sold: float | None, unit: str, *, share: float
) -> list[str]:
    if seen is None or not sold or seen >= sold * share:
        return []
    return [f"{label}: {seen:.1f} {unit} instead of the advertised {sold:.1f} {unit}"]


def squashed(name: str) -> str:
    """A GPU's name as both sides write it: rows have no hyphens, and often no vendor."""
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return letters.removeprefix("nvidia")


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _plain(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:80]
