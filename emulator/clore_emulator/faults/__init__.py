"""What can go wrong, by name: the table, the armed rules, the profiles."""

from __future__ import annotations

from . import hooks, on_answers, on_listings, on_servers
from .board import Armed, BadRule, Board, read_rule
from .call import ENDPOINTS, PHASES, Call, Pauses, Phase
from .peer import Connection
from .profiles import PROFILES, Profile
from .registry import REGISTRY, Fault, Parameter

DEFINITIONS = (hooks, on_answers, on_listings, on_servers)
"""The modules whose import fills the table."""

__all__ = [
    "Armed", "BadRule", "Board", "read_rule", "ENDPOINTS", "PHASES", "Call",
    "Connection", "Pauses", "Phase",
    "PROFILES", "Profile", "REGISTRY", "Fault", "Parameter", "DEFINITIONS",
]  # fmt: skip
