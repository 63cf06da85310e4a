"""The flags of one engine release, read from `flags/*.json`, and the parser they make.

A row has `names` and a `kind`: value, list (one or more words), append (may be repeated), maybe (a
value is optional), flag (no value), switch (`--x` and `--no-x`). `type` is str unless it says int,
float, json, human_int or human_int_or_auto; `optional` values accept `None`; llama-server's rows add
`off` (the names that switch off), `env` and `values`.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final, Literal

Kind = Literal["value", "list", "append", "maybe", "flag", "switch"]

_DECIMAL: Final = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY: Final = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Flag:
    """One flag of a release."""

    names: tuple[str, ...]
    kind: Kind = "value"
    type: str = "str"
    optional: bool = False
    choices: tuple[str | int, ...] = ()
    default: Any = None
    dest: str | None = None
    required: bool = False
    nargs: str = "+"
    off: tuple[str, ...] = ()
    env: str | None = None
    values: int = 1

    @property
    def key(self) -> str:
        """The attribute that holds the value after parsing."""
        return self.dest or self.names[0].lstrip("-").replace("-", "_")


@dataclass(frozen=True)
class Release:
    """An engine release: its flags, and whatever else its file says."""

    engine: str
    version: str
    flags: tuple[Flag, ...]
    facts: dict[str, Any] = field(default_factory=dict)


def load(name: str, *, version: str | None = None) -> Release:
    """Read `flags/<name>.json`; for another `version` apply what is known to have changed."""
    document = _read(f"{name}.json")
    rows = document.pop("flags")
    engine, recorded = document.pop("engine"), document.pop("version")
    if version and version != recorded and engine == "vllm":
        rows = _as_of(rows, _read(f"{engine}-changes.json")["changes"], version)
    flags = tuple(_flag(row) for row in rows)
    return Release(engine, version or recorded, flags, document)


def version_key(version: str) -> tuple[int, ...]:
    """`0.33.0` as a tuple that compares; anything after the numbers is left out."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def human_int(text: str) -> int:
    """`64k` is 64000, `64K` is 65536; ValueError says what is wrong with the rest."""
    text = text.strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmMgGtT])", text)
    if not match:
        return int(text)
    number, suffix = match.groups()
    if suffix in _DECIMAL:
        return int(float(number) * _DECIMAL[suffix])
    if "." in number:
        hint = f"{number}{suffix.lower()}"
        message = (
            f"Decimals are not allowed with binary suffixes like {suffix}. "
            f"Did you mean to use {hint} instead?"
        )
        raise argparse.ArgumentTypeError(message)
    return int(number) * _BINARY[suffix]


def human_int_or_auto(text: str) -> int:
    """Like `human_int`, and `auto` is -1."""
    return -1 if text.strip().lower() in ("auto", "-1") else human_int(text)


def add_flags(parser: argparse.ArgumentParser, release: Release) -> None:
    """Register every flag of a release; the built-in `-h` stays."""
    for flag in release.flags:
        keywords: dict[str, Any] = {"dest": flag.key, "default": flag.default}
        if flag.default == argparse.SUPPRESS:
            # argparse compares by identity.
            keywords["default"] = argparse.SUPPRESS
        if flag.required:
            keywords["required"] = True
        keywords |= _shape(flag)
        parser.add_argument(*flag.names, **keywords)


def _shape(flag: Flag) -> dict[str, Any]:
    if flag.kind == "flag":
        return {"action": "store_true", "default": bool(flag.default)}
    if flag.kind == "switch":
        return {"action": EnableDisable}
    shape: dict[str, Any] = {"type": _converter(flag)}
    if flag.choices:
        shape["choices"] = list(flag.choices)
    if flag.kind == "list":
        shape["nargs"] = flag.nargs
    if flag.kind == "maybe":
        shape |= {"nargs": "?", "const": True}
    if flag.kind == "append":
        shape |= {"action": "append", "default": list(flag.default or [])}
    return shape


class EnableDisable(argparse.BooleanOptionalAction):
    """`--x`/`--no-x`, and `--disable-x` beside `--enable-x`, as vLLM 0.33 pairs them."""

    def __init__(self, option_strings: list[str], dest: str, **keywords: Any) -> None:
        super().__init__(option_strings, dest, **keywords)
        pairs = {"--enable-": "--disable-", "--disable-": "--enable-"}
        inverse = [
            other + name.removeprefix(prefix)
            for name in option_strings
            for prefix, other in pairs.items()
            if name.startswith(prefix)
        ]
        self.negative = {*inverse, *(n for n in self.option_strings if n not in option_strings)}
        self.option_strings = [*self.option_strings, *inverse]

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        del parser, values
        setattr(namespace, self.dest, option_string not in self.negative)


def _converter(flag: Flag) -> Callable[[str], Any]:
    plain: dict[str, Callable[[str], Any]] = {
        "str": str,
        "int": int,
        "float": float,
        "json": json.loads,
        "human_int": human_int,
        "human_int_or_auto": human_int_or_auto,
    }
    convert = plain[flag.type]
    if not flag.optional and flag.type != "json":
        return convert

    def tolerant(text: str) -> Any:
        if flag.optional and text in ("", "None"):
            return None
        try:
            return convert(text)
        except ValueError as error:
            # vLLM prints the converter's representation; this is json.loads as CPython shows it.
            shown = "<function loads>" if flag.type == "json" else repr(convert)
            message = f"Value {text} cannot be converted to {shown}."
            raise argparse.ArgumentTypeError(message) from error

    return tolerant


def _flag(row: dict[str, Any]) -> Flag:
    sequences: dict[str, Any] = {
        key: tuple(row[key]) for key in ("names", "choices", "off") if key in row
    }
    return Flag(**(row | sequences))


def _as_of(
    rows: list[dict[str, Any]], changes: list[dict[str, Any]], version: str
) -> list[dict[str, Any]]:
    """The rows of an earlier release: drop what came later, bring back what has gone."""
    wanted = version_key(version)
    for change in changes:
        names = set(change["names"])
        if "since" in change and wanted < version_key(change["since"]):
            rows = [row for row in rows if not names & set(row["names"])]
        if "before" in change and wanted < version_key(change["before"]):
            old = {key: value for key, value in change.items() if key != "before"}
            rows = [row for row in rows if not names & set(row["names"])] + [old]
    return rows


def _read(name: str) -> Any:
    folder = resources.files("clore_emulator.engines") / "flags"
    return json.loads((folder / name).read_text("utf-8"))
