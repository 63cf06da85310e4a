"""llama-server's command line: exact names, no abbreviations, the last one wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clore_emulator.engines.flags import Flag, Release

DEFAULTS: Final[dict[str, Any]] = {
    "model": None,
    "hf_repo": None,
    "ctx_size": 0,
    "host": "127.0.0.1",
    "port": 8080,
    "parallel": 1,
    "cache_type_k": "f16",
    "cache_type_v": "f16",
    "alias": None,
    "api_key": None,
    "metrics": False,
    "jinja": True,
    "kv_unified": False,
    "reasoning_format": "auto",
    "n_gpu_layers": "auto",
    "fit": "on",
    "version": False,
}
"""Of b11434, for the flags that the simulator looks at."""

CACHE_TYPES: Final = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")


class ArgumentError(Exception):
    """The command line is refused; the text is what llama-server prints before it leaves with 1."""


def parse(
    arguments: Sequence[str], release: Release, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Values by the long name of each flag, underscored; environment first, then the words."""
    known = {name: (flag, True) for flag in release.flags for name in flag.names}
    known |= {name: (flag, False) for flag in release.flags for name in flag.off}
    values = dict(DEFAULTS)
    for flag in release.flags:
        if flag.env and flag.env in environment:
            values[long_name(flag)] = _value(flag, environment[flag.env], flag.env)
    words = list(arguments)
    while words:
        word = words.pop(0)
        name = word.replace("_", "-") if word.startswith("--") else word
        if name not in known:
            message = f"error: invalid argument: {name}"
            raise ArgumentError(message)
        flag, positive = known[name]
        if flag.kind in ("flag", "switch"):
            values[long_name(flag)] = positive
            continue
        if len(words) < flag.values:
            message = f'error while handling argument "{name}": expected value for argument'
            raise ArgumentError(message)
        given = [words.pop(0) for _ in range(flag.values)]
        values[long_name(flag)] = _value(flag, given[-1], name)
    return values


def long_name(flag: Flag) -> str:
    """`n_gpu_layers` of `-ngl, --gpu-layers, --n-gpu-layers`."""
    return flag.names[-1].lstrip("-").replace("-", "_")


def _value(flag: Flag, text: str, name: str) -> Any:
    if flag.kind in ("flag", "switch"):
        return text.lower() in ("1", "true", "on", "enabled")
    if flag.type == "int":
        try:
            return int(text)
        except ValueError as error:
            message = f'error while handling argument "{name}": stoi'
            raise ArgumentError(message) from error
    if long_name(flag) in ("cache_type_k", "cache_type_v") and text not in CACHE_TYPES:
        message = f'error while handling argument "{name}": Unsupported cache type: {text}'
        raise ArgumentError(message)
    return text
