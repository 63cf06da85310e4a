"""What a host says of itself, and where that falls short of what was paid for; pure.

One script asks everything at once and marks each answer, so that a slow relay costs one round trip.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from clore_inference.units import GB, KIB

SECTION: Final = "=====clore:"

SCRIPT: Final = f"""
say() {{ printf '\\n{SECTION}%s\\n' "$1"; }}
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/venv/bin"
PATH="$PATH:/opt/conda/bin:/usr/local/nvidia/bin"; export PATH
say gpus; nvidia-smi --query-gpu=index,name,memory.total,driver_version \
--format=csv,noheader,nounits 2>&1
say cuda; nvidia-smi 2>&1 | head -n 12
say disk; mkdir -p "$HOME"; df -Pk "$HOME" 2>&1
say shm; df -Pk /dev/shm 2>&1
say memory; free -b 2>/dev/null || head -n 3 /proc/meminfo 2>&1
say python; python3 -V 2>&1
say hub; python3 -c 'from importlib.metadata import version; print(version("huggingface_hub"))' \
2>/dev/null
say end
"""


class HostRequirement(BaseModel):
    """What a host must really have; zero and empty ask for nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu_names: tuple[str, ...] = Field(description="Names as nvidia-smi prints them; any one")
    gpu_count: int = Field(ge=0, description="GPUs that the topology uses; a host may have more")
    min_gpu_memory_mib: int = Field(ge=0, description="MiB of each GPU, as nvidia-smi prints it")
    min_driver: str = Field(default="", description="Lowest driver, for example 550.54")
    min_disk_free_gb: float = Field(default=0, ge=0, description="GB free under $HOME")
    min_shm_gb: float = Field(default=0, ge=0, description="GB of /dev/shm")
    min_memory_gb: float = Field(default=0, ge=0, description="GB of main memory")
    min_cuda: str = Field(default="", description="Lowest CUDA version that the driver supports")


def parse(text: str) -> dict[str, Any]:
    """The facts in a host's answer; a question without a usable answer has None or nothing."""
    sections = _sections(text)
    gpus, driver = _gpus(sections.get("gpus", ""))
    return {
        "gpus": gpus,
        "driver": driver,
        "cuda": _found(r"CUDA (?:UMD )?Version:\s*(\d+(?:\.\d+)?)", sections.get("cuda", "")),
        "disk_free_gb": _df_gb(sections.get("disk", ""), column=3),
        "shm_gb": _df_gb(sections.get("shm", ""), column=1),
        "memory_gb": _memory_gb(sections.get("memory", "")),
        "python": _found(r"Python (\d+\.\d+(?:\.\d+)?)", sections.get("python", "")),
        "huggingface_hub": _found(r"(\d+\.\d+[\w.]*)", sections.get("hub", "")),
    }


def complete(text: str) -> bool:
    """Whether the script ran to its end."""
    return f"{SECTION}end" in text


def _sections(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for block in text.split(f"\n{SECTION}")[1:]:
        name, _, body = block.partition("\n")
        found[name.strip()] = body
    return found


def _gpus(text: str) -> tuple[list[dict[str, Any]], str | None]:
    gpus: list[dict[str, Any]] = []
    driver = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 4 and cells[0].isdigit() and cells[2].isdigit():
            gpus.append({"name": _plain(cells[1]), "memory_mib": int(cells[2])})
            driver = _plain(cells[3])
    return gpus, driver


def _plain(text: str) -> str:
    """Text of a stranger, fit for a message."""
    return "".join(char for char in text if char.isprintable())[:80]


def _found(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match.group(1) if match else None


def _df_gb(text: str, *, column: int) -> float | None:
    """A column of `df -Pk` (POSIX: file system, 1024-blocks, used, available, ...) in GB."""
    for line in text.splitlines()[1:]:
        cells = line.split()
        if len(cells) >= 6 and cells[column].isdigit():
            return round(int(cells[column]) * KIB / GB, 3)
    return None


def _memory_gb(text: str) -> float | None:
    free = re.search(r"^Mem:\s+(\d+)", text, re.MULTILINE)
    if free:
        return round(int(free.group(1)) / GB, 3)
    meminfo = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return round(int(meminfo.group(1)) * KIB / GB, 3) if meminfo else None


def shortfalls(facts: Mapping[str, Any], requirement: HostRequirement) -> tuple[str, ...]:
    """Every way in which a host is less than required, each with both values; none is acceptance."""
    found = [*_gpu_shortfalls(facts.get("gpus") or [], requirement)]
    for label, name, wanted, unit in (
        ("free disk", "disk_free_gb", requirement.min_disk_free_gb, "GB"),
        ("shared memory", "shm_gb", requirement.min_shm_gb, "GB"),
        ("main memory", "memory_gb", requirement.min_memory_gb, "GB"),
    ):
        value = facts.get(name)
        if wanted and (value is None or value < wanted):
            found.append(f"{label}: {_shown(value, unit)} instead of at least {wanted:g} {unit}")
    for label, name, lowest in (
        ("driver", "driver", requirement.min_driver),
        ("CUDA", "cuda", requirement.min_cuda),
    ):
        value = facts.get(name)
        if lowest and (not value or version_key(value) < version_key(lowest)):
            found.append(f"{label}: {value or 'unknown'} instead of at least {lowest}")
    if not facts.get("python"):
        found.append("python3: none instead of at least 3.9")
    elif version_key(facts["python"]) < (3, 9):
        found.append(f"python3: {facts['python']} instead of at least 3.9")
    return tuple(found)


def _gpu_shortfalls(gpus: list[dict[str, Any]], requirement: HostRequirement) -> list[str]:
    found = []
    if len(gpus) < requirement.gpu_count:
        found.append(f"GPUs: {len(gpus)} instead of {requirement.gpu_count}")
    wrong = sorted({gpu["name"] for gpu in gpus} - set(requirement.gpu_names))
    if wrong and requirement.gpu_names:
        found.append(
            f"GPU name: {', '.join(wrong)} instead of {' or '.join(requirement.gpu_names)}"
        )
    least = min((gpu["memory_mib"] for gpu in gpus), default=0)
    floor = requirement.min_gpu_memory_mib
    if gpus and least < floor:
        found.append(f"GPU memory: {least} MiB instead of {floor} MiB")
    return found


def _shown(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.1f} {unit}"


def version_key(text: str) -> tuple[int, ...]:
    """A dotted version as numbers that compare; what is not a number ends it."""
    numbers = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
