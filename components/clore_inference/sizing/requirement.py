"""What may be bought, and what a bought host must prove: the spec in the market's units.

Where the guide's table and the engine's image differ, the stricter of the two holds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, TypedDict

from clore_inference import catalog, units
from clore_inference.sizing.deadline import acceptance
from clore_inference.sizing.startup import IMAGE_BYTES
from clore_inference.spec import API_PORT, SSH_PORT, TLS_PORT, DeploymentSpec

SOLD_TO_SEEN: Final = 0.95
"""A machine sold with 256 GB reports about 250: what is sold, less firmware, counted in GiB."""
WORKING_GB: Final = 20
"""Logs, compile caches and a second engine beside the weights, GB."""
PCIE_WIDTH: Final = 8
"""Lanes; below that, loading and tensor parallelism over PCIe crawl."""


ATTESTED_SHARE: Final = 0.99
"""Of the usual total that nvidia-smi must report; firmware and drivers differ by some MiB."""


PARALLEL_SHM_GB: Final = 1.0
"""Shared memory for tensor parallelism: NCCL's guide asks for `--shm-size=1g`; Docker gives 64 MB.
https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html"""
IDLE_GPU_MIB: Final = 2048
"""What drivers and monitors hold of an idle GPU is a few hundred MiB; more is somebody's work."""


class OrderFields(TypedDict):
    """The fields of an order request but for the public key."""

    gpu: str
    gpu_names: tuple[str, ...]
    gpu_count: int
    min_gpu_memory_gb: float
    min_memory_gb: float
    min_disk_gb: float
    min_down_mbps: float
    min_cuda: str
    min_pcie_width: int
    min_reliability: float
    min_term_hours: float
    countries: tuple[str, ...]
    excluded_countries: tuple[str, ...]
    max_usd_per_day: Decimal
    max_usd_total: Decimal | None
    currency: str
    order_type: Literal["on-demand", "spot"]
    spot_bid_usd_per_day: Decimal | None
    image: str
    ports: dict[int, str]
    max_replacements: int
    deadline_s: float
    deadline_fixed_s: float
    deadline_megabits: float


class HostFields(TypedDict):
    """The fields of what a host must prove."""

    gpu_names: tuple[str, ...]
    gpu_count: int
    min_gpu_memory_mib: int
    min_driver: str
    min_disk_free_gb: float
    min_cuda: str
    min_memory_gb: float
    min_shm_gb: float
    min_pcie_width: int
    needs_nvlink: bool
    max_gpu_used_mib: int


def disk_gb(spec: DeploymentSpec) -> float:
    """GB that must be free for weights and work, once the image is there."""
    size = spec.checkpoint.weights_bytes if spec.checkpoint else 0
    return round(size / units.GB) + WORKING_GB


def ports(spec: DeploymentSpec) -> dict[int, str]:
    """What is asked for at the purchase, since ports cannot change later; the mark comes besides."""
    asked = {SSH_PORT: "tcp", API_PORT: "http"}
    return asked | ({TLS_PORT: "tcp"} if spec.tls == "host" else {})


def order_request_fields(spec: DeploymentSpec) -> OrderFields:
    """Return the fields of market.OrderRequest that follow from a spec."""
    needs = spec.needs
    cuda, _ = _image_needs(spec)
    return OrderFields(
        gpu=spec.gpu.id,
        gpu_names=spec.gpu.market_names,
        gpu_count=spec.shape.count,
        min_gpu_memory_gb=float(spec.gpu.advertised_gb),
        min_memory_gb=round(needs.memory_gb * SOLD_TO_SEEN, 1),
        min_disk_gb=max(float(needs.disk_gb), disk_gb(spec) + IMAGE_BYTES / units.GB),
        min_down_mbps=spec.min_down_mbps,
        min_cuda=_newer(needs.cuda, cuda),
        min_pcie_width=PCIE_WIDTH,
        min_reliability=spec.min_reliability,
        min_term_hours=spec.min_term_hours,
        countries=spec.countries,
        excluded_countries=spec.excluded_countries,
        max_usd_per_day=spec.max_usd_per_day,
        max_usd_total=spec.max_usd_total,
        currency=spec.currency,
        order_type=spec.order_type,
        spot_bid_usd_per_day=spec.spot_bid_usd_per_day,
        image=spec.image_name,
        ports=ports(spec),
        max_replacements=spec.max_replacements,
        **_deadline(spec),
    )


class _DeadlineFields(TypedDict):
    deadline_s: float
    deadline_fixed_s: float
    deadline_megabits: float


def _deadline(spec: DeploymentSpec) -> _DeadlineFields:
    """The parts of an acceptance deadline that the market puts together for each offer's link."""
    at_one_mbps = {one.name: one.seconds for one in acceptance(spec, 1).budgets}
    return _DeadlineFields(
        deadline_s=acceptance(spec, float("inf")).seconds,
        deadline_megabits=at_one_mbps.pop("image", 0),
        deadline_fixed_s=sum(at_one_mbps.values()),
    )


def host_requirement_fields(spec: DeploymentSpec) -> HostFields:
    """Return the fields of host.HostRequirement that follow from a spec."""
    cuda, driver = _image_needs(spec)
    is_parallel = spec.shape.count > 1
    return HostFields(
        gpu_names=(spec.gpu.smi_name,),
        gpu_count=spec.shape.count,
        min_gpu_memory_mib=int(spec.gpu.memory_mib * ATTESTED_SHARE),
        min_driver=_newer(spec.needs.driver, driver),
        min_disk_free_gb=disk_gb(spec),
        min_cuda=_newer(spec.needs.cuda, cuda),
        min_memory_gb=round(spec.needs.memory_gb * SOLD_TO_SEEN, 1),
        min_shm_gb=PARALLEL_SHM_GB if is_parallel else 0,
        min_pcie_width=PCIE_WIDTH,
        needs_nvlink=is_parallel and spec.gpu.nvlink,
        max_gpu_used_mib=IDLE_GPU_MIB,
    )


def _image_needs(spec: DeploymentSpec) -> tuple[str, str]:
    for version in catalog.versions(spec.engine):
        if version.id == spec.version:
            return version.image_cuda, version.image_driver
    return "", ""


def _newer(one: str, other: str) -> str:
    return max(one, other, key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
