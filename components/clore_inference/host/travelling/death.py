"""Why an engine died, read from the last lines of its log by the table of `causes.py`; pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from .causes import CAUSES, FINAL

TAIL_LINES = 20
LINE_LENGTH = 400
"""Characters of a log line that are kept: what is shown travels into a terminal and a state file."""
KILLED = -9
BUS_ERROR = -7


class Death(NamedTuple):
    """The name of the cause, the line that shows it, and whether another start can help."""

    kind: str
    line: str
    worth_restarting: bool


_PATTERNS = tuple((one.kind, re.compile(one.pattern)) for one in CAUSES)

_SECRET_SHAPES = re.compile(
    r"hf_[A-Za-z0-9_-]{8,}|(?i:bearer)\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|(?i:(?:api[-_]?key|token)['\"]?\s*[=:]\s*['\"]?)[A-Za-z0-9._~+/-]{8,}"
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def classify(lines: list[str], exit_code: int, *, was_ready: bool) -> Death:
    """Name the cause of a death; `was_ready` tells running out of memory at load from at work."""
    for kind, pattern in _PATTERNS:
        for line in lines:
            if pattern.search(line):
                return _named(kind, line, was_ready=was_ready)
    if exit_code == KILLED:
        return Death("killed", "the engine was killed (signal 9); the host was out of memory", True)
    if exit_code == BUS_ERROR:
        return Death("shared_memory", "the engine ended with a bus error (signal 7)", False)
    spoken = [line for line in lines if line.strip()]
    last = spoken[-1] if spoken else "it printed nothing"
    return Death("crashed", f"exit code {exit_code}: {last}", True)


def _named(kind: str, line: str, *, was_ready: bool) -> Death:
    if kind == "out_of_memory":
        return Death("out_of_memory_at_work" if was_ready else kind, line.strip(), was_ready)
    return Death(kind, line.strip(), kind not in FINAL)


def presentable(text: str, secrets: tuple[str, ...] = ()) -> str:
    """One line of somebody's log, without control characters, secrets, or endless length."""
    for secret in secrets:
        if len(secret) >= 8:
            text = text.replace(secret, "[secret]")
    text = _SECRET_SHAPES.sub("[secret]", _CONTROL.sub("", text))
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 3] + "..."
