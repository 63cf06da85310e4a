"""Changes of a running deployment's configuration, and which parts each must replace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """Settings that differ from the default ones; `replaced` names parts of a deployment."""

    name: str
    settings: dict[str, str]
    replaced: frozenset[str]


def _change(name: str, replaced: str, **settings: str) -> Change:
    return Change(name, settings, frozenset(replaced.split()))


CHANGES = (
    _change("cap-and-filters", "", maxUsdPerDay="80", minReliability="0.8", countries='["DE"]'),
    _change("context", "engine health", maxModelLen="32768"),
    _change("engine", "weights engine health", engine="sglang"),
    _change("release", "weights engine health", release="upstream"),
    _change("gpus", "lease weights engine health", topology="2xH200"),
)
