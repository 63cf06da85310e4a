"""What an engine's own parser would say to a line, by the flags that its release has.

It follows argparse (vLLM, SGLang) and llama.cpp's reader as far as they refuse: unknown flags,
missing values, values of another type, words that are no choice. Values that a shell has yet to
make are let through. Sources: the tables in `catalog/flags/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Literal

from clore_inference import catalog
from clore_inference.engines.command import EngineCommand, EngineName
from clore_inference.engines.foreign import before_flags

if TYPE_CHECKING:
    from clore_inference.catalog import Flag

SHELL: Final = re.compile(r"(&&?|\|\|?|;;?|\d?[<>].*)")
"""Words that end a command in a shell."""
NUMBER: Final = re.compile(r"-\d+(\.\d+)?")
SIZE: Final = re.compile(r"\d+|\d+(\.\d+)?[kmgt]|\d+[KMGT]|auto|-1")
"""Whole numbers as vLLM reads them: 64k is 64000, 64K is 65536."""
READERS: Final[dict[str, tuple[Callable[[str], object], str]]] = {
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "json": (json.loads, "JSON"),
}
POSITIONALS: Final[dict[EngineName, int]] = {"vllm": 1}
"""Words without a flag that an engine takes: vLLM's model."""
PROGRAMS: Final = re.compile(r"(.*/)?(ba|da|z)?sh|(.*/)?(env|exec|nice|nohup|tini|python3?)")
"""First words of a container's command that are no arguments of the image's own start."""
MEANINGS: Final[tuple[dict[EngineName, str], ...]] = (
    {"vllm": "--max-model-len", "sglang": "--context-length", "llamacpp": "--ctx-size"},
    {"vllm": "--tensor-parallel-size", "sglang": "--tp-size"},
    {"vllm": "--gpu-memory-utilization", "sglang": "--mem-fraction-static"},
    {"vllm": "--served-model-name", "sglang": "--served-model-name", "llamacpp": "--alias"},
    {"vllm": "--kv-cache-dtype", "sglang": "--kv-cache-dtype", "llamacpp": "--cache-type-k"},
    {"vllm": "--max-num-seqs", "sglang": "--max-running-requests", "llamacpp": "--parallel"},
    {"vllm": "--enable-chunked-prefill", "sglang": "--chunked-prefill-size"},
    {"vllm": "--enable-auto-tool-choice", "sglang": "--tool-call-parser", "llamacpp": "--jinja"},
    {"vllm": "--model", "sglang": "--model-path", "llamacpp": "--model"},
)
"""Flags of one meaning, by engine: what to write instead."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One word that the parser would not take."""

    flag: str
    """Or the word, if no flag takes it."""
    kind: Literal["unknown", "value", "stray"]
    because: str


def refusals(line: EngineCommand) -> tuple[Refusal, ...]:
    """Return what every release that may run the line refuses.

    A release that was not drawn is judged by its neighbours: only what both refuse is told.
    """
    start = before_flags(line.argv)
    if not start and PROGRAMS.fullmatch(line.argv[0] if line.argv else ""):
        return ()
    table = catalog.flag_table(line.engine)
    words = _own_words(line.argv[len(start) :])
    found = [_refused(words, table.of(one), line.engine) for one in table.releases(line.version)]
    shared = set.intersection(*({(one.flag, one.kind) for one in each} for each in found))
    return tuple(one for one in found[-1] if (one.flag, one.kind) in shared)


def elsewhere(engine: EngineName, flag: str) -> str:
    """How `engine` spells what another engine's flag means; empty if there is no such flag."""
    for row in MEANINGS:
        if flag in row.values() and row.get(engine, flag) != flag:
            return row[engine]
    return ""


def _own_words(words: Sequence[str]) -> list[str]:
    own: list[str] = []
    for word in words:
        if SHELL.fullmatch(word):
            break
        own.append(word.removesuffix(";"))
        if word.endswith(";"):
            break
    return own


def _refused(
    words: Sequence[str], flags: Mapping[str, Flag], engine: EngineName
) -> tuple[Refusal, ...]:
    found: list[Refusal] = []
    places = POSITIONALS.get(engine, 0)
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not _is_flag(word):
            places -= 1
            if places < 0 and "$" not in word:
                found.append(Refusal(word, "stray", "stands where no flag takes it"))
            continue
        refusal, taken = _flag(word, words[at:], flags, engine)
        at += taken
        found += [refusal] if refusal else []
    return tuple(found)


def _flag(
    word: str, behind: Sequence[str], flags: Mapping[str, Flag], engine: EngineName
) -> tuple[Refusal | None, int]:
    """What is wrong with a flag, and how many of the words behind it are its values."""
    name, glued, value = word.partition("=")
    flag, inside = _known(name, flags, engine)
    if flag is None and engine != "llamacpp" and not name.startswith("--") and name[:2] in flags:
        name, glued, value = word[:2], "=", word[2:]  # -n8, as argparse reads it
        flag = flags[name]
    if flag is None:
        return Refusal(name, "unknown", _near(name, flags)), 0
    values = [value] if glued else _values(behind, flag)
    because = "" if inside else _wrong(flag, values, glued=bool(glued))
    return Refusal(name, "value", because) if because else None, 0 if glued else len(values)


def _is_flag(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and not NUMBER.fullmatch(word)


def _known(name: str, flags: Mapping[str, Flag], engine: EngineName) -> tuple[Flag | None, bool]:
    """The flag of that name, and whether the name says a key inside its JSON (`--x.y`)."""
    plain = name.replace("_", "-") if name.startswith("--") and engine != "sglang" else name
    if plain in flags or engine == "llamacpp":
        return flags.get(plain), False
    flag, inside = _vllms_own(plain, flags) if engine == "vllm" else (None, False)
    if flag or not name.startswith("--"):
        return flag, inside
    begun = {id(one): one for known, one in flags.items() if known.startswith(plain)}
    return (next(iter(begun.values())) if len(begun) == 1 else None), False


def _vllms_own(name: str, flags: Mapping[str, Flag]) -> tuple[Flag | None, bool]:
    """Forms that vLLM rewrites before argparse sees them: `-O3`, `--x.y`, `--no-x`."""
    if name.startswith("-O"):
        return flags.get("--optimization-level"), True
    if "." in name:
        return flags.get(name.partition(".")[0]), True
    positive = flags.get(f"--{name.removeprefix('--no-')}")
    return (positive if positive and positive.type == "switch" else None), False


def _values(words: Sequence[str], flag: Flag) -> list[str]:
    found: list[str] = []
    if flag.type == "switch":
        return found
    for word in words:
        if _is_flag(word) or (found and not flag.many):
            break
        found.append(word)
    return found


def _wrong(flag: Flag, values: Sequence[str], *, glued: bool) -> str:
    """Why the parser would not take these values; empty if it would."""
    if flag.type == "switch":
        return "takes no value" if glued else ""
    if not values:
        return "" if flag.bare else "has no value"
    return next((why for value in values if "$" not in value and (why := _misfit(flag, value))), "")


def _misfit(flag: Flag, value: str) -> str:
    shown = repr(value[:40])
    if flag.choices:
        known = f"is {shown}, not one of {', '.join(flag.choices[:20])}"
        return "" if value in flag.choices else known
    if flag.type == "size":
        return "" if SIZE.fullmatch(value) else f"is {shown}, not a whole number"
    if flag.type not in READERS:
        return ""
    reader, kind = READERS[flag.type]
    try:
        reader(value)
    except ValueError:
        return f"is {shown}, not {kind}"
    return ""


def _near(name: str, flags: Mapping[str, Flag]) -> str:
    near = get_close_matches(name, flags, n=1, cutoff=0.75)
    return f"did you mean {near[0]}?" if near else ""
