"""GPU names as the marketplace spells them.

It removes hyphens, adds spaces and leaves out the maker: `4x NVIDIA H100 80GB HBM3` beside
`" H100 80GB HBM3"`, `Tesla V100SXM232GB` for `Tesla V100-SXM2-32GB` (recorded answers, 2024 to 2026).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_COUNTED: Final = re.compile(r"(\d{1,3})x\s+(\S.*)\Z")
_FILLER: Final = re.compile(r"[^a-z0-9]+")
_MAKER: Final = re.compile(r"\A(nvidia)?(geforce)?")


@lru_cache(maxsize=4096)
def squashed(name: str) -> str:
    """One spelling for all: lower case, letters and digits only, without the maker."""
    return _MAKER.sub("", _FILLER.sub("", name.casefold()))


@lru_cache(maxsize=4096)
def counted(text: str) -> tuple[int, str] | None:
    """`"4x NVIDIA H200"` as number and squashed name; None where it says neither."""
    found = _COUNTED.match(text.strip())
    return (int(found[1]), squashed(found[2])) if found else None
