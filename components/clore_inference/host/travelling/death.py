"""Why an engine died, read from the last lines of its log; pure.

The texts are those of vLLM, SGLang, llama.cpp, PyTorch and the CUDA driver, as their public sources
and issue trackers have them. The first row that matches wins: what is specific stands above what is
said in its wake (an engine that cannot allocate its KV cache ends with a traceback as well).
"""

from __future__ import annotations

import re
from typing import NamedTuple

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


_ROWS: dict[str, tuple[str, ...]] = {
    "disk_full": (
        r"No space left on device",
        r"Disk quota exceeded",
    ),
    "port_taken": (
        r"[Aa]ddress already in use",
        r"error while attempting to bind on address",
    ),
    "unknown_flag": (
        r"error: unrecognized arguments",
        r"error: argument \S+.*: (?:invalid|expected)",
        r"error: the following arguments are required",
        r"error: invalid argument: ",
        r"error: invalid value for argument",
        r"invalid (?:tool call|reasoning) parser",
        r"requires --tool-call-parser",
        r"No such option: ",
        r"is not a valid (?:choice|value) for",
    ),
    "context_too_long": (
        r"User-specified max_model_len \(\d+\) is greater than the derived max_model_len",
    ),
    "kv_cache_too_large": (
        r"KV cache is needed, which is larger than the available KV cache memory",
        r"is larger than the maximum number of tokens that can be stored in KV cache",
        r"No available memory for the cache blocks",
        r"Not enough memory\. Please try to increase --mem-fraction-static",
        r"failed to (?:allocate|initialize) (?:the )?(?:kv|KV) cache",
        r"failed to allocate buffer for kv cache",
    ),
    "driver": (
        r"CUDA driver version is insufficient",
        r"NVIDIA driver on your system is too old",
        r"no kernel image is available for execution",
        r"Found no NVIDIA driver on your system",
        r"forward compatibility was attempted on non supported HW",
        r"Failed to infer device type",
        r"unsupported toolchain",
    ),
    "gated": (
        r"GatedRepoError",
        r"Cannot access gated repo",
        r"Access to model .* is restricted",
        r"40[13] Client Error",
    ),
    "weights_missing": (
        r"LocalEntryNotFoundError",
        r"IncompleteSnapshotError",
        r"OfflineModeIsEnabled",
        r"outgoing traffic has been disabled",
        r"Cannot find any model weights",
        r"does not appear to have a file named",
        r"failed to open GGUF file",
        r"gguf_init_from_file: failed to open",
        r"Invalid repository ID or local directory",
    ),
    "shared_memory": (
        r"insufficient shared memory",
        r"Bus error",
        r"shm_open.*No space",
        r"Error while creating shared memory",
    ),
    "out_of_memory": (
        r"CUDA out of memory",
        r"OutOfMemoryError",
        r"cudaMalloc failed: out of memory",
        r"CUDA error: out of memory",
        r"on startup is less than desired GPU memory utilization",
        r"unable to allocate CUDA\d* buffer",
    ),
    "guard": (
        r"No module named 'clore_",
        r"clore_guard.*[Ee]rror",
        r"clore_llamacpp: .*The engine was not started",
    ),
    "not_installed": (
        r"ModuleNotFoundError: No module named '(?:vllm|sglang)",
        r"clore_llamacpp: there is no \S+ on this host",
    ),
}
_PATTERNS = tuple((kind, re.compile("|".join(texts))) for kind, texts in _ROWS.items())

_FINAL = frozenset(
    {
        "disk_full",
        "unknown_flag",
        "context_too_long",
        "kv_cache_too_large",
        "driver",
        "gated",
        "weights_missing",
        "shared_memory",
        "guard",
        "not_installed",
    }
)
"""Causes that the same command on the same host meets again; starting it once more only costs."""

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
    return Death(kind, line.strip(), kind not in _FINAL)


def presentable(text: str, secrets: tuple[str, ...] = ()) -> str:
    """One line of somebody's log, without control characters, secrets, or endless length."""
    for secret in secrets:
        if len(secret) >= 8:
            text = text.replace(secret, "[secret]")
    text = _SECRET_SHAPES.sub("[secret]", _CONTROL.sub("", text))
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 3] + "..."
