"""Which Pulumi runs here: its parts, where they come from, and the PATH that finds them.

`ensure.py` writes the description to `toolchain.json` in the cache directory, for whoever wants to
say which parts are in use:

    {"parts": [{"name": "cli", "origin": "go-module", "version": "3.259.0", "path": "…"}, …],
     "before_path": ["…"], "after_path": ["…"]}

`origin` is `official` (installed by Pulumi's own means), `go-module` (the official source, compiled
here) or `stand-in` (ours, see `stand_ins/`). Nothing here looks at the machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

Origin = Literal["official", "go-module", "stand-in"]

CLI: Final = "cli"
LANGUAGE_HOST: Final = "language host python"
COMMAND_PLUGIN: Final = "plugin command"

OLDEST_CLI: Final = (3, 259, 0)
"""The oldest CLI on which a replaced lease replaces what lives on it (pulumi/pulumi#23818)."""

ORIGIN_WORDS: Final[Mapping[Origin, str]] = {
    "official": "official",
    "go-module": "official source, compiled on this machine",
    "stand-in": "stand-in of this project; the official one could not be had",
}


@dataclass(frozen=True)
class Part:
    """One program that Pulumi consists of; `version` is empty where it is not known."""

    name: str
    origin: Origin
    version: str
    path: str

    def __str__(self) -> str:
        version = f" {self.version}" if self.version else ""
        return f"{self.name}{version}: {ORIGIN_WORDS[self.origin]} ({self.path})"


@dataclass(frozen=True)
class Toolchain:
    """All parts; `before_path` and `after_path` are directories around the user's own PATH."""

    parts: tuple[Part, ...]
    before_path: tuple[str, ...] = ()
    after_path: tuple[str, ...] = ()

    def search_path(self, path: str) -> str:
        """Return PATH with every part on it; what is official wins over a stand-in."""
        own = [*self.before_path, *self.after_path]
        middle = [entry for entry in path.split(os.pathsep) if entry and entry not in own]
        return os.pathsep.join([*self.before_path, *middle, *self.after_path])

    def part(self, name: str) -> Part:
        """Return a part by its name."""
        return next(part for part in self.parts if part.name == name)

    def stand_ins(self) -> tuple[str, ...]:
        """Return the names of the parts that are ours."""
        return tuple(part.name for part in self.parts if part.origin == "stand-in")

    def to_json(self) -> str:
        """Return the text of `toolchain.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"


def from_json(text: str) -> Toolchain:
    """Read the text of `toolchain.json`."""
    document: dict[str, Any] = json.loads(text)
    return Toolchain(
        parts=tuple(Part(**row) for row in document["parts"]),
        before_path=tuple(document["before_path"]),
        after_path=tuple(document["after_path"]),
    )


def cache_dir(environment: Mapping[str, str]) -> Path:
    """Return where everything is kept that was installed or compiled for this project."""
    base = environment.get("XDG_CACHE_HOME") or os.path.join(environment.get("HOME", "~"), ".cache")  # noqa: PTH118
    return Path(base).expanduser() / "clore-inference"


def description_file(environment: Mapping[str, str]) -> Path:
    """Return the path of `toolchain.json`."""
    return cache_dir(environment) / "toolchain.json"


def version_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a version: `v3.259.0` and `3.260.0-dev.0+ab` become three each."""
    core = text.strip().removeprefix("v").split("-")[0].split("+")[0]
    numbers = [int(word) for word in core.split(".") if word.isdigit()]
    return tuple([*numbers, 0, 0, 0][:3])


def new_enough(text: str) -> bool:
    """Whether a CLI of this version can be used."""
    return version_numbers(text) >= OLDEST_CLI


def newest(versions: Sequence[str]) -> str | None:
    """Return the newest usable version among directory names, if there is one."""
    usable = [version for version in versions if new_enough(version)]
    return max(usable, key=version_numbers, default=None)
