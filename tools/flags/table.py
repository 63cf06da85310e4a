"""Flags of several releases as one table: a row per flag, with the releases that have it so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

ORDER: Final = ("names", "type", "many", "bare", "choices", "default", "since", "until")


@dataclass(frozen=True)
class Drawn:
    """What one release has."""

    release: str
    source: str
    flags: Sequence[dict[str, Any]] = field(repr=False)


def rows(drawn: Sequence[Drawn]) -> list[dict[str, Any]]:
    """One row per flag and form, over releases that stand in order, oldest first.

    `since` is the first release that was drawn and has it; `until`, where it stands, the last one.
    """
    found: list[dict[str, Any]] = []
    open_rows: dict[str, dict[str, Any]] = {}
    for at, release in enumerate(drawn):
        seen = {json.dumps(flag, sort_keys=True): flag for flag in release.flags}
        for form in [form for form in open_rows if form not in seen]:
            open_rows.pop(form)["until"] = drawn[at - 1].release
        for form, flag in seen.items():
            if form not in open_rows:
                open_rows[form] = {**flag, "since": release.release}
                found.append(open_rows[form])
    numbers = {one.release: at for at, one in enumerate(drawn)}
    return sorted(found, key=lambda row: (_primary(row), numbers[row["since"]]))


def _primary(row: dict[str, Any]) -> str:
    """The name by which people know a flag: its first long one."""
    names: list[str] = row["names"]
    return next((name for name in names if name.startswith("--")), names[0]).lstrip("-")


def text(engine: str, how: str, day: str, drawn: Sequence[Drawn]) -> str:
    """The table as a file of the catalog."""
    head = [
        f"# Flags of {engine}, drawn by `python -m tools.flags {engine}` and never edited by hand.",
        "# A row is one form of a flag: `since` is the first release drawn that has it so, `until`",
        "# the last one; without `until` the newest has it. type: switch takes no value. size: a whole",
        "# number, also as 64k. many: takes several values. bare: may stand without one. choices: the",
        "# parser refuses other words.",
        "",
        f"engine = {_toml(engine)}",
        f"how = {_toml(how)}",
        f"day = {day}",
    ]
    for one in drawn:
        head += ["", "[[release]]", f"id = {_toml(one.release)}", f"source = {_toml(one.source)}"]
    body = [f"[[flag]]\n{_row(row)}" for row in rows(drawn)]
    return "\n".join(head) + "\n\n" + "\n\n".join(body) + "\n"


def _row(row: dict[str, Any]) -> str:
    return "\n".join(f"{name} = {_toml(row[name])}" for name in ORDER if name in row)


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
