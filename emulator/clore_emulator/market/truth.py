"""What a machine really is, beside what its marketplace row says; only the host side sees this."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

HttpName = Literal["wired", "502", "proxy_not_found"]
"""What answers behind the public name before or instead of the engine."""

_MEMORY_MIB: Final = {
    "NVIDIA H100 80GB HBM3": 81559,
    "NVIDIA H100 PCIe": 81559,
    "NVIDIA H100 NVL": 95830,
    "NVIDIA H200": 143771,
    "NVIDIA H200 NVL": 143771,
    "NVIDIA GeForce RTX 4090": 24564,
}
"""`memory.total` as nvidia-smi reports it on these cards; others follow the row's `gpuram`."""

_DRIVERS: Final = (
    ((13, 0), "580.65.06"),
    ((12, 8), "570.124.06"),
    ((12, 6), "560.35.03"),
    ((12, 4), "550.127.05"),
    ((12, 2), "535.183.01"),
    ((12, 0), "525.147.05"),
    ((0, 0), "470.256.02"),
)
"""Highest CUDA version of a driver, newest first, from NVIDIA's CUDA release notes."""


@dataclass(frozen=True)
class Truth:
    """The machine behind a server row."""

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
    deploy_s: float | None = None
    """Virtual seconds until SSH answers; None leaves it to the host side."""
    ssh_resets_s: float = 0.0
    """Virtual seconds after deployment during which SSH connections are reset."""
    host_key_changes: bool = False
    gpu_driver_broken: bool = False
    nvlink: bool = True
    """Whether cards that come with NVLink are joined by it."""
    gpu_memory_used_mib: int = 0
    """What somebody else's program holds of each GPU."""
    pcie_width: int | None = None
    """Lanes of each GPU; None leaves the row's word as it is."""

    def document(self) -> dict[str, Any]:
        """The plain form that goes to the host side."""
        return asdict(self)


def honest_truth(row: dict[str, Any]) -> Truth:
    """The machine that a server row promises."""
    specs = row["specs"]
    count, _, name = str(specs["gpu"]).partition("x ")
    cuda = str(row.get("cuda_version") or "12.2")
    return Truth(
        gpu=name,
        gpu_count=int(count),
        gpu_memory_mib=_MEMORY_MIB.get(name, int(specs["gpuram"]) * 1024),
        driver=_driver(cuda),
        cuda=cuda,
        disk_free_gb=_disk_gb(str(specs["disk"])),
        memory_gb=float(specs["ram"]),
        shm_gb=round(float(specs["ram"]) / 2, 1),
        down_mbps=float(specs["net"]["down"]),
    )


def _driver(cuda: str) -> str:
    wanted = tuple(int(part) for part in cuda.split("."))
    return next(driver for version, driver in _DRIVERS if wanted >= version)


def _disk_gb(text: str) -> float:
    found = re.search(r"([\d.]+)\s*GB\s*$", text)
    return float(found.group(1)) if found else 0.0


@dataclass(frozen=True)
class Lie:
    """One way in which a machine is less than its row."""

    summary: str
    twist: Callable[[Truth], Truth]


LIES: Final[dict[str, Lie]] = {
    "fewer_gpus": Lie(
        "Half of the advertised GPUs are there.",
        lambda truth: replace(truth, gpu_count=max(1, truth.gpu_count // 2)),
    ),
    "other_gpu": Lie(
        "The GPUs are A100s of the same memory size.",
        lambda truth: replace(truth, gpu="NVIDIA A100-SXM4-80GB", gpu_memory_mib=81920),
    ),
    "less_memory": Lie(
        "Each GPU has half of the advertised memory.",
        lambda truth: replace(truth, gpu_memory_mib=truth.gpu_memory_mib // 2),
    ),
    "small_disk": Lie(
        "Only 60 GB of disk are free.", lambda truth: replace(truth, disk_free_gb=60.0)
    ),
    "old_driver": Lie(
        "The driver is of 2021 and knows CUDA 11.4.",
        lambda truth: replace(truth, driver="470.256.02", cuda="11.4"),
    ),
    "small_shm": Lie(
        "Shared memory has Docker's default of 64 MB.", lambda truth: replace(truth, shm_gb=0.064)
    ),
    "old_cuda": Lie(
        "The driver is of 2024 and knows CUDA 12.4, whatever the row says.",
        lambda truth: replace(truth, driver="550.127.05", cuda="12.4"),
    ),
    "less_ram": Lie(
        "A fifth of the advertised main memory is there.",
        lambda truth: replace(truth, memory_gb=round(truth.memory_gb / 5, 1)),
    ),
    "no_nvlink": Lie(
        "The GPUs of a machine that is sold with NVLink see each other over PCIe only.",
        lambda truth: replace(truth, nvlink=False),
    ),
    "narrow_pcie": Lie(
        "Each GPU sits on one PCIe lane, as in a mining machine.",
        lambda truth: replace(truth, pcie_width=1),
    ),
    "busy_gpus": Lie(
        "Somebody else's program holds 40 GB of each GPU.",
        lambda truth: replace(truth, gpu_memory_used_mib=40_000),
    ),
    "crawling_link": Lie(
        "The link carries 4 kbps: a file of the local hub takes minutes, as real ones take days.",
        lambda truth: replace(truth, down_mbps=0.004),
    ),
    "slow_network": Lie("The link carries 20 Mbps.", lambda truth: replace(truth, down_mbps=20.0)),
    "never_deploys": Lie(
        "The container never starts.", lambda truth: replace(truth, deploys=False, ssh=False)
    ),
    "deploys_without_ssh": Lie(
        "The container runs, but nothing answers on SSH.",
        lambda truth: replace(truth, ssh=False),
    ),
    "deploys_slowly": Lie(
        "The container needs 20 minutes to start.", lambda truth: replace(truth, deploy_s=1200.0)
    ),
    "ssh_resets": Lie(
        "SSH connections are reset for five minutes after the start.",
        lambda truth: replace(truth, ssh_resets_s=300.0),
    ),
    "host_key_changes": Lie(
        "Every restart of the container makes a new SSH host key.",
        lambda truth: replace(truth, host_key_changes=True),
    ),
    "broken_driver": Lie(
        "nvidia-smi cannot reach the driver.",
        lambda truth: replace(truth, gpu_driver_broken=True),
    ),
    "proxy_502": Lie(
        "The public name answers 502 for ever.", lambda truth: replace(truth, http="502")
    ),
    "proxy_not_found": Lie(
        "The public name shows the page 'Proxy Not Found' for ever.",
        lambda truth: replace(truth, http="proxy_not_found"),
    ),
}


def tell_lie(truth: Truth, name: str) -> Truth:
    """Return the machine of a server that lies in the named way; KeyError for an unknown lie."""
    return LIES[name].twist(truth)
