"""Which Pulumi is in use here, as the set-up wrote it down in `toolchain.json`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DESCRIPTION: Final = "toolchain.json"
ORIGINS: Final = {
    "official": "official",
    "go-module": "official source, compiled on this machine",
    "stand-in": "stand-in of this project; the official one could not be had",
}


@dataclass(frozen=True)
class Part:
    """One program that Pulumi consists of here."""

    name: str
    origin: str
    version: str
    path: str


@dataclass(frozen=True)
class Toolchain:
    """The parts, and the directories around the user's own PATH that have them."""

    parts: tuple[Part, ...]
    before_path: tuple[str, ...]
    after_path: tuple[str, ...]


def cache_dir(environment: Mapping[str, str]) -> Path:
    """Return where the set-up keeps what it installed or compiled."""
    base = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "~")) / ".cache"
    return Path(base).expanduser() / "clore-inference"


def read_toolchain(environment: Mapping[str, str]) -> Toolchain | None:
    """Return what the set-up wrote; `None` where it has not run, or wrote something else."""
    try:
        text = (cache_dir(environment) / DESCRIPTION).read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        return Toolchain(
            parts=tuple(Part(**row) for row in document["parts"]),
            before_path=tuple(document["before_path"]),
            after_path=tuple(document["after_path"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def pulumi_path(environment: Mapping[str, str]) -> str:
    """Return a PATH that has Pulumi wherever it came from; what the user has wins over stand-ins."""
    path = environment.get("PATH", "")
    found = read_toolchain(environment)
    if found is None:
        return path
    return os.pathsep.join([*found.before_path, *filter(None, [path]), *found.after_path])
