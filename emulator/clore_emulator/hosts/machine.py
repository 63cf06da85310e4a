"""What a rented machine really is: from the market's documents to what the host's tools report."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

GB: Final = 10**9
GIB: Final = 2**30

HttpName = Literal["wired", "502", "proxy_not_found"]


@dataclass(frozen=True)
class Machine:
    """The machine behind one order; the first twelve are the market's `truth`, word for word."""

    gpu: str
    gpu_count: int
    gpu_memory_mib: int
    driver: str
    cuda: str
    disk_free_gb: float
    memory_gb: float
    shm_gb: float
    down_mbps: float
    deploys: bool = True
    ssh: bool = True
    http: HttpName = "wired"
    cpus: int = 8
    pcie_width: int = 16
    pcie_gen: int = 4
    power_limits_w: tuple[float, ...] = ()
    deploy_s: float | None = None
    """Virtual seconds until SSH answers; None draws it from the seed."""
    ssh_resets_s: float = 0.0
    """Virtual seconds after deployment during which SSH connections are reset."""
    host_key_changes: bool = False
    """Every restart of the container makes a new host key."""
    gpu_driver_broken: bool = False
    """nvidia-smi cannot reach the driver."""
    nvlink: bool = True
    """Cards that come with NVLink are joined by it."""
    gpu_memory_used_mib: int = 0
    """Held on each GPU by somebody else."""

    @classmethod
    def of(cls, server: Mapping[str, Any], lie: Mapping[str, Any] | None = None) -> Machine:
        """The machine of a marketplace row with its `truth`; `lie` overrides single facts.

        Raises ValueError for a fact that no machine has, KeyError for a missing `truth`.
        """
        specs: Mapping[str, Any] = server.get("specs", {})
        facts = {
            "cpus": int(str(specs.get("cpus", "4/8")).rpartition("/")[2]),
            "pcie_width": int(specs.get("pcie_width", 16)),
            "pcie_gen": int(specs.get("pcie_rev", 4)),
            "power_limits_w": tuple(specs.get("pl", ())),
            **{name: fact for name, fact in server["truth"].items() if fact is not None},
            **(lie or {}),
        }
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(facts) - known):
            msg = f"no such fact of a machine: {', '.join(unknown)}; known: {', '.join(known)}"
            raise ValueError(msg)
        return cls(**facts)

    def link_bytes_per_s(self, time_scale: float) -> float | None:
        """Bytes per real second of the link to the hub; None when it is no limit worth keeping."""
        rate = self.down_mbps * 1e6 / 8 * time_scale
        return rate if rate < GB else None


@dataclass(frozen=True)
class _Card:
    """Facts of a GPU kind: NVIDIA's data sheets and the table of CUDA compute capabilities."""

    fragment: str
    compute_cap: str
    power_w: float
    nvlinks: int = 0


_CARDS: Final = (
    _Card("h200 nvl", "9.0", 600),
    _Card("h200", "9.0", 700, nvlinks=18),
    _Card("h100 80gb hbm3", "9.0", 700, nvlinks=18),
    _Card("h100", "9.0", 350),
    _Card("a100-sxm4", "8.0", 400, nvlinks=12),
    _Card("a100", "8.0", 300),
    _Card("rtx 50", "12.0", 575),
    _Card("rtx 40", "8.9", 450),
    _Card("l40", "8.9", 350),
    _Card("rtx 30", "8.6", 350),
    _Card("rtx a", "8.6", 300),
    _Card("rtx 20", "7.5", 250),
    _Card("v100", "7.0", 300, nvlinks=6),
)
_UNKNOWN_CARD: Final = _Card("", "6.1", 250)


def hardware(machine: Machine, seed: str) -> dict[str, Any]:
    """The document that `nvidia-smi`, `df`, `free`, `nproc` and the engines read on a host.

    Sizes are bytes unless the key names another unit. `gpus` is what the driver shows.
    """
    draw = random.Random(f"{seed}:hardware")  # noqa: S311 - a seeded world
    name = machine.gpu if machine.gpu.startswith(("NVIDIA", "Tesla")) else f"NVIDIA {machine.gpu}"
    card = next((card for card in _CARDS if card.fragment in name.lower()), _UNKNOWN_CARD)
    limits = machine.power_limits_w
    return {
        "gpus": [
            {
                "index": index,
                "name": name,
                "uuid": _uuid(draw),
                "memory_mib": machine.gpu_memory_mib,
                "memory_used_mib": machine.gpu_memory_used_mib,
                "compute_cap": card.compute_cap,
                "power_limit_w": limits[index] if index < len(limits) else card.power_w,
                "pcie_width": machine.pcie_width,
                "pcie_gen": machine.pcie_gen,
                "temperature_c": draw.randrange(26, 41),
                "bus_id": f"00000000:{index + 1:02X}:00.0",
            }
            for index in range(machine.gpu_count)
        ],
        "nvlinks": card.nvlinks if machine.nvlink else 0,
        "driver": machine.driver,
        "cuda": machine.cuda,
        "driver_broken": machine.gpu_driver_broken,
        "disk_free": int(machine.disk_free_gb * GB),
        "shm": int(machine.shm_gb * GIB),
        "memory": int(machine.memory_gb * GIB),
        "cpus": machine.cpus,
    }


def meminfo(real: str, memory: int) -> str:
    """A /proc/meminfo that promises `memory` bytes, in the form of the real one."""
    total_kib = memory // 1024
    for field, share in (("MemTotal", 1.0), ("MemFree", 0.93), ("MemAvailable", 0.96)):
        line = f"{field + ':':<16}{int(total_kib * share):>8} kB"
        real = re.sub(rf"(?m)^{field}:.*$", line, real)
    return real


def _uuid(draw: random.Random) -> str:
    digits = f"{draw.getrandbits(128):032x}"
    return "GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
