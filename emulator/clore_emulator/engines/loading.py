"""Loading as one watches it: stages that take virtual time and print the engine's own lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final

from clore_emulator.engines.checkpoint import Checkpoint
from clore_emulator.engines.surroundings import Surroundings

READ_BYTES_PER_S: Final = 2.5e9
"""Disk to GPU, all GPUs together. Invented: a good NVMe drive; nothing was measured."""
START_S: Final = 12.0
"""Imports, config, worker processes. Invented."""
COMPILE_S: Final = 28.0
"""torch.compile with an empty cache. Invented."""
GRAPHS_S: Final = 15.0
"""Memory profile and CUDA graphs. Invented."""


def say(line: str) -> None:
    """Print one line to standard error at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def vllm_log(message: str, *, process: str = "EngineCore", level: str = "INFO") -> None:
    """One line in the form of vLLM 0.33's logger."""
    stamp = time.strftime("%m-%d %H:%M:%S")
    for line in message.splitlines() or [""]:
        say(f"({process} pid={os.getpid()}) {level} {stamp} [clore_emulator.py:1] {line}")


def sglang_log(message: str) -> None:
    """One line in the form of SGLang's logger."""
    for line in message.splitlines() or [""]:
        say(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {line}")


def load_shards(checkpoint: Checkpoint, around: Surroundings, log: Callable[[str], None]) -> float:
    """Read the shards one by one with vLLM's progress lines; return the virtual seconds."""
    total = len(checkpoint.shards)
    seconds = checkpoint.total_bytes / READ_BYTES_PER_S
    each = seconds / total
    for done in range(total + 1):
        if done:
            around.sleep(each)
        left = _clock(each * (total - done)) if done else "?"
        rate = f"{each:.2f}s/it" if done else "?it/s"
        log(
            f"Loading safetensors checkpoint shards: {done * 100 // total:3d}% Completed | "
            f"{done}/{total} [{_clock(each * done)}<{left}, {rate}]"
        )
    return seconds


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"
