"""What to change after an engine has died, with the numbers that its own words contain; pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

STEP_TOKENS: Final = 256
"""Context lengths are proposed in such steps, downwards."""
SHARE_STEP: Final = 0.01

_KV: Final = re.compile(
    r"max seq len \((\d+)\), \(?([\d.]+) GiB KV cache is needed, which is larger than the available "
    r"KV cache memory \(([\d.]+) GiB\)(?:.*estimated maximum model length is (\d+))?"
)
_TOKENS: Final = re.compile(
    r"max seq len \((\d+)\) is larger than the maximum number of tokens .* KV cache \((\d+)\)"
)
_DERIVED: Final = re.compile(
    r"User-specified \w+ \((\d+)\) is greater than the derived \w+ \((?:\w+=)?(\d+)"
)
_TORCH: Final = re.compile(
    r"Tried to allocate ([\d.]+ [GM]iB).*total capacity of ([\d.]+) GiB of which ([\d.]+ [GM]iB) is"
)
_GGML: Final = re.compile(r"allocating ([\d.]+) MiB on device (\d+)")
_STARTUP: Final = re.compile(
    r"Free memory on device .*?\(([\d.]+)/([\d.]+) GiB\) on startup .*utilization \(([\d.]+)"
)
_FRACTION: Final = re.compile(r"mem_fraction_static=([\d.]+)")
_DRIVER: Final = re.compile(r"too old \(found version (\d+)\)")


def in_numbers(text: str) -> str:
    """Return what is needed, what there is, and the value that fits; empty where nothing says so."""
    for read in _READERS:
        found = read(text)
        if found:
            return found
    return ""


def _kv(text: str) -> str:
    match = _KV.search(text)
    if match is None:
        return ""
    asked, needed, there = int(match[1]), float(match[2]), float(match[3])
    fits = int(match[4]) if match[4] else int(asked * there / needed) if needed else 0
    return _context(f"{needed:g} GiB needed, {there:g} available for {asked} tokens", fits)


def _tokens(text: str) -> str:
    match = _TOKENS.search(text)
    return (
        _context(f"{match[1]} tokens asked for, room for {match[2]}", int(match[2]))
        if match
        else ""
    )


def _context(what: str, fits: int) -> str:
    rounded = fits // STEP_TOKENS * STEP_TOKENS
    if rounded < STEP_TOKENS:
        return f"{what}: no context fits beside these weights"
    return f"{what}: maxModelLen at most {rounded} fits"


def _derived(text: str) -> str:
    match = _DERIVED.search(text)
    return (
        f"the model was made for {match[2]} tokens: maxModelLen at most {match[2]}" if match else ""
    )


def _torch(text: str) -> str:
    match = _TORCH.search(text)
    return f"{match[1]} more were needed, {match[3]} of {match[2]} GiB were free" if match else ""


def _ggml(text: str) -> str:
    match = _GGML.search(text)
    return (
        f"{float(match[1]) / 1024:.1f} GiB were needed at once on GPU {match[2]}" if match else ""
    )


def _startup(text: str) -> str:
    match = _STARTUP.search(text)
    if match is None:
        return ""
    free, total = float(match[1]), float(match[2])
    share = int(free / total / SHARE_STEP) * SHARE_STEP
    return (
        f"{free:g} of {total:g} GiB were free and {float(match[3]):g} of it all was asked for: "
        f"gpuMemoryUtilization at most {share:.2f} fits, or another process holds the GPU"
    )


def _fraction(text: str) -> str:
    match = _FRACTION.search(text)
    return (
        f"a share of {match[1]} was given: gpuMemoryUtilization must be above it" if match else ""
    )


def _driver(text: str) -> str:
    match = _DRIVER.search(text)
    if match is None:
        return ""
    version = int(match[1])
    return f"the driver speaks CUDA {version // 1000}.{version % 1000 // 10} at most"


_READERS: Final[tuple[Callable[[str], str], ...]] = (
    _kv, _tokens, _derived, _torch, _ggml, _startup, _fraction, _driver,
)  # fmt: skip
