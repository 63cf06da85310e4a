"""The servers on offer: 240 real ones brought to the shape of 2026, and H100 and H200 hosts."""

from __future__ import annotations

from .build import Liars, Market, build_market, load_market
from .truth import LIES, Truth, honest_truth, tell_lie

__all__ = [
    "Liars",
    "Market",
    "build_market",
    "load_market",
    "LIES",
    "Truth",
    "honest_truth",
    "tell_lie",
]
