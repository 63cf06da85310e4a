"""What a host says of itself, and where that falls short of what was paid for; pure.

One script asks everything at once and marks each answer, so that a slow relay costs one round trip.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from clore_inference.host.link_rate import LinkWish
from clore_inference.units import GB, KIB

SECTION: Final = "=====clore:"

SCRIPT: Final = f"""
say() {{ printf '\\n{SECTION}%s\\n' "$1"; }}
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/venv/bin"
PATH="$PATH:/opt/conda/bin:/usr/local/nvidia/bin"; export PATH
say gpus; nvidia-smi --query-gpu=index,name,memory.total,driver_version \
--format=csv,noheader,nounits 2>&1
say lanes; nvidia-smi --query-gpu=index,memory.used,pcie.link.width.max \
--format=csv,noheader,nounits 2>&1
say links; nvidia-smi topo -m 2>&1
say cuda; nvidia-smi 2>&1 | head -n 12
say disk; mkdir -p "$HOME"; df -Pk "$HOME" 2>&1
say shm; df -Pk /dev/shm 2>&1
say memory; free -b 2>/dev/null || head -n 3 /proc/meminfo 2>&1
say python; python3 -V 2>&1
say hub; python3 -c 'from importlib.metadata import version; print(version("huggingface_hub"))' \
2>/dev/null
say end
"""


ASKS: Final = 1
"""How many kinds of facts a requirement of this version asks for; see `HostRequirement.asks`."""


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
    min_pcie_width: int = Field(default=0, ge=0, description="PCIe lanes of each GPU, at most used")
    needs_nvlink: bool = Field(default=False, description="NVLink between every two GPUs")
    max_gpu_used_mib: int = Field(default=0, ge=0, description="MiB that others hold of a GPU")
    link: LinkWish | None = Field(default=None, description="What to measure the link with")
    asks: int = Field(
        default=0,
        description="0: names, count, memory, driver, disk. 1: everything. A lease that was bought "
        "under fewer is not judged by more: an upgrade of this package replaces nothing",
    )

    def as_asked_by(self, earlier: "HostRequirement") -> "HostRequirement":
        """This requirement, less what an earlier version of the package did not ask for."""
        if earlier.asks >= self.asks:
            return self
        asked = {name: getattr(self, name) for name in _ASKED_FIRST}
        return HostRequirement(**asked, asks=earlier.asks)


_ASKED_FIRST: Final = (
    "gpu_names",
    "gpu_count",
    "min_gpu_memory_mib",
    "min_driver",
    "min_disk_free_gb",
)


def parse(text: str) -> dict[str, Any]:
    """The facts in a host's answer; a question without a usable answer has None or nothing."""
    sections = _sections(text)
    gpus, driver = _gpus(sections.get("gpus", ""))
    used, lanes = _lanes(sections.get("lanes", ""))
    return {
        "gpus": gpus,
        "driver": driver,
        "cuda": _found(r"CUDA (?:UMD )?Version:\s*(\d+(?:\.\d+)?)", sections.get("cuda", "")),
        "gpu_used_mib": used,
        "pcie_width": lanes,
        "links": links(sections.get("links", "")),
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


def _lanes(text: str) -> tuple[int | None, int | None]:
    """The most memory that is used of a GPU, MiB, and the fewest lanes; None where one is silent."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    rows = [row for row in rows if len(row) == 3 and row[0].isdigit()]
    used = [int(row[1]) for row in rows if row[1].isdigit()]
    lanes = [int(row[2]) for row in rows if row[2].isdigit()]
    return (
        max(used) if rows and len(used) == len(rows) else None,
        min(lanes) if rows and len(lanes) == len(rows) else None,
    )


def links(text: str) -> list[str] | None:
    """How GPUs see each other, as `nvidia-smi topo -m` names it, each word once; None if unread.

    `NV18` is a bond of 18 NVLinks; PIX, PXB, PHB, NODE and SYS are ways over PCIe, near to far.
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    rows = [line.split() for line in plain.splitlines() if re.match(r"GPU\d+\s", line)]
    cells = [row[1 : 1 + len(rows)] for row in rows]
    if not rows or any(len(row) < len(rows) for row in cells):
        return None
    words = {word for at, row in enumerate(cells) for to, word in enumerate(row) if at != to}
    return sorted(_plain(word) for word in words)


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
    found += _link_shortfalls(facts, requirement)
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


def _link_shortfalls(facts: Mapping[str, Any], requirement: HostRequirement) -> list[str]:
    """What is between GPUs and host; where a driver does not say, nothing is held against it."""
    found = []
    lanes, used = facts.get("pcie_width"), facts.get("gpu_used_mib")
    if lanes is not None and lanes < requirement.min_pcie_width:
        found.append(f"PCIe lanes: {lanes} instead of at least {requirement.min_pcie_width}")
    slow = [word for word in facts.get("links") or () if not word.startswith("NV")]
    if requirement.needs_nvlink and slow:
        found.append(f"links between GPUs: {', '.join(slow)} instead of NVLink between every two")
    most = requirement.max_gpu_used_mib
    if most and used is not None and used > most:
        found.append(
            f"GPU memory that somebody else uses: {used} MiB instead of at most {most} MiB"
        )
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
