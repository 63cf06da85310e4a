"""The flags of engine releases, as their own parsers have them; read only when somebody asks.

The files lie in `flags/`, one per engine. A plan of our own lines never opens them: the tests hold
those lines to every release. Lines that somebody else wrote are judged by them.
"""

import re
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from clore_inference.catalog.rows import PublicUrl


class Flag(BaseModel):
    """One form of a flag: where it changed between releases, there are several."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...]
    type: Literal["switch", "int", "size", "float", "json", "text"]
    """switch takes no value; size is a whole number, also as 64k."""
    many: bool = False
    """Takes several values."""
    bare: bool = False
    """May stand without its value."""
    choices: tuple[str, ...] = ()
    """The parser refuses other words; empty: it takes any."""
    default: str | None = None
    since: str
    """First drawn release that has this form."""
    until: str = ""
    """Last drawn release that has it; empty: the newest one does."""


class DrawnRelease(BaseModel):
    """A release whose flags are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    source: PublicUrl


class FlagTable(BaseModel):
    """The flags of one engine over its drawn releases, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    how: str
    """How they were drawn."""
    day: date
    """When they were drawn."""
    release: tuple[DrawnRelease, ...]
    flag: tuple[Flag, ...]

    def releases(self, version: str) -> tuple[str, ...]:
        """The drawn releases that speak for `version`: itself, or its neighbours on both sides.

        All of them, if the version is not known; the nearest one beyond either end.
        """
        ids = [one.id for one in self.release]
        plain = version.partition("+")[0]
        if plain in ids or not _order(plain):
            return (plain,) if plain in ids else tuple(ids)
        older = [one for one in ids if _order(one) < _order(plain)]
        newer = [one for one in ids if _order(one) > _order(plain)]
        return (*older[-1:], *newer[:1])

    def of(self, release: str) -> dict[str, Flag]:
        """The flags of one drawn release, by every name."""
        return _of(self.engine, release)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@cache
def flag_table(engine: str) -> FlagTable:
    """Return the flags of an engine; costs tens of milliseconds the first time."""
    path = files("clore_inference.catalog") / "flags" / f"{engine}.toml"
    return FlagTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


@cache
def _of(engine: str, release: str) -> dict[str, Flag]:
    table = flag_table(engine)
    places = {one.id: at for at, one in enumerate(table.release)}
    at = places[release]
    return {
        name: flag
        for flag in table.flag
        if places[flag.since] <= at and (not flag.until or at <= places[flag.until])
        for name in flag.names
    }
