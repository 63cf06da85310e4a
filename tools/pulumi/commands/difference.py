"""What changed between two sets of inputs, property by property, as the official plugin reports it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from commands.wire import is_secret

Kind = Literal["add", "delete", "update"]

REPLACING: Final = frozenset({"triggers"})
"""Properties whose own addition or removal replaces the resource. That a changed element replaces it
is asked for by the SDK (`replace_on_changes=["triggers[*]"]`), not by the plugin."""

PLAIN_NAME: Final = re.compile(r'[^."\[\]]+')


def path_of(parts: tuple[str | int, ...]) -> str:
    """Spell a property path as the engine does: `connection.port`, `triggers[0]`, `env["a.b"]`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif PLAIN_NAME.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Kind]:
    """Compare two sets of inputs; internal names (`version`, `__…`) do not count."""
    return {path_of(path): kind for path, kind in _objects((), _counting(old), _counting(new))}


def _counting(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in inputs.items() if key != "version" and not key.startswith("__")
    }


def _objects(
    path: tuple[str | int, ...], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[tuple[tuple[str | int, ...], Kind]]:
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before is None and after is not None:
            yield (*path, key), "add"
        elif before is not None and after is None:
            yield (*path, key), "delete"
        else:
            yield from _values((*path, key), before, after)


def _values(
    path: tuple[str | int, ...], old: Any, new: Any
) -> Iterator[tuple[tuple[str | int, ...], Kind]]:
    if isinstance(old, list) and isinstance(new, list):
        shared = min(len(old), len(new))
        for index in range(shared):
            yield from _values((*path, index), old[index], new[index])
        for index in range(shared, len(new)):
            yield (*path, index), "add"
        for index in range(shared, len(old)):
            yield (*path, index), "delete"
    elif _is_object(old) and _is_object(new):
        yield from _objects(path, old, new)
    elif old != new:
        yield path, "update"


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_secret(value)
