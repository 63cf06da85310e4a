"""Flags of `llama-server` from its source: the file `common/arg.cpp` of llama.cpp.

Each flag is a call `common_arg({"-c", "--ctx-size"}, "N", help, handler)`, with the programs that
have it behind: `.set_examples({LLAMA_EXAMPLE_SERVER, …})`; without one, every program has it.
"""

from __future__ import annotations

import re
from typing import Any

START = "common_arg("
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
HANDLER = re.compile(r"\[\]\(common_params & \w*(?:, (?:const )?(\w+(?:::\w+)?) ?&? ?\w*)?")
EXAMPLES = re.compile(r"\.set_examples\(\{([^}]*)\}\)")
EXCLUDES = re.compile(r"\.set_excludes\(\{([^}]*)\}\)")
CACHE_TYPES = re.compile(r"kv_cache_types = \{([^}]*)\}")
HINTED = re.compile(r"[\[<{]([a-z0-9_]+(?:[|,][a-z0-9_]+)+)[\]>}]")
ALSO = {
    "on": ("enabled", "true", "1"),
    "off": ("disabled", "false", "0"),
    "auto": ("-1",),
}
"""What `is_truthy`, `is_falsey` and `is_autoy` of arg.cpp take besides."""
KINDS = {None: "switch", "bool": "switch", "int": "int", "std::string": "text"}


def described(source: str) -> list[dict[str, Any]]:
    """Every flag of the server that stands in the text of arg.cpp."""
    types = CACHE_TYPES.search(source)
    cache_types = [
        word.strip().removeprefix("GGML_TYPE_").lower()
        for word in (types.group(1) if types else "").split(",")
        if word.strip()
    ]
    found = (_flag(*block, cache_types) for block in _blocks(source))
    by_names = {tuple(flag["names"]): flag for flag in found if flag and flag["names"]}
    return list(by_names.values())


def _blocks(source: str) -> list[tuple[str, str]]:
    """Each call with the calls chained to it."""
    found = []
    for match in re.finditer(re.escape(f"add_opt({START}"), source):
        begin = match.end() - 1
        inner = _closing(source, begin)
        outer = _closing(source, match.start() + len("add_opt"))
        found.append((source[begin + 1 : inner], source[inner + 1 : outer]))
    return found


def _closing(source: str, opening: int) -> int:
    """Position of the parenthesis that closes the one at `opening`; strings are passed over."""
    depth, at = 0, opening
    while at < len(source):
        quoted = STRING.match(source, at) if source[at] == '"' else None
        if quoted:
            at = quoted.end()
            continue
        if source[at] == "'":
            at += 3 if source[at + 1] != "\\" else 4
            continue
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        if depth == 0:
            return at
        at += 1
    message = "arg.cpp has a call that does not end: its form has changed"
    raise ValueError(message)


def _flag(call: str, chained: str, cache_types: list[str]) -> dict[str, Any] | None:
    if not _is_servers(chained) or "set_preset_only" in chained:
        return None
    names, rest = _names(call)
    negative, rest = _names(rest)
    hint = STRING.match(rest.lstrip(" ,\n"))
    handler = HANDLER.search(call)
    taken = handler.group(1) if handler else None
    flag: dict[str, Any] = {"names": [*names, *negative], "type": KINDS.get(taken, "text")}
    if "kv_cache_type_from_str" in call:
        flag["choices"] = cache_types
    elif hint and flag["type"] == "text" and (words := HINTED.fullmatch(hint.group(1))):
        flag["choices"] = _choices(re.split(r"[|,]", words.group(1)), call)
    return flag


def _choices(hinted: list[str], call: str) -> list[str]:
    """The words of a hint, where the handler refuses others; switches take more than they say."""
    if "throw " not in call and "from_str" not in call:
        return []
    return sorted({*hinted, *(word for one in hinted for word in ALSO.get(one, ()))})


def _is_servers(chained: str) -> bool:
    examples, excludes = EXAMPLES.search(chained), EXCLUDES.search(chained)
    if excludes and "LLAMA_EXAMPLE_SERVER" in excludes.group(1):
        return False
    words = examples.group(1) if examples else "LLAMA_EXAMPLE_COMMON"
    return "LLAMA_EXAMPLE_SERVER" in words or "LLAMA_EXAMPLE_COMMON" in words


def _names(text: str) -> tuple[list[str], str]:
    """The names in a leading list `{"-a", "--b"}`, and what stands behind it."""
    stripped = text.lstrip(" ,\n")
    if not stripped.startswith("{"):
        return [], text
    inside, _, behind = stripped[1:].partition("}")
    return STRING.findall(inside), behind
