"""The shapes of the catalog's rows; every row names its public source and the day it was read."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Release = Literal["guide", "upstream"]
LicenseUse = Literal["research", "evaluation", "commercial"]
PublicUrl = Annotated[str, StringConstraints(pattern=r"^https://\S+$")]
Share = Annotated[float, Field(gt=0, le=1)]


class Row(BaseModel):
    """One fact of the catalog."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    source: PublicUrl
    seen: date
    """The day on which the source said so."""


class Gpu(Row):
    """A GPU kind; all GPUs of a kind are interchangeable in a topology."""

    smi_name: str
    """As `nvidia-smi --query-gpu=name` prints it."""
    market_names: tuple[str, ...]
    memory_mib: int = Field(gt=0)
    """Total per GPU, as nvidia-smi reports it."""
    advertised_gb: int = Field(gt=0)
    """The least a marketplace may advertise per GPU; they round GiB down."""
    bandwidth_gb_s: int = Field(gt=0)
    interconnect: str
    nvlink: bool = False
    """Whether a machine of this kind always has it between every two; bridges are an option."""


class Topology(Row):
    """GPU kind and count, as a stack names it."""

    gpu: str
    count: int = Field(gt=0)
    requirement: str
    utilization: Share
    """Share of GPU memory that the guide gives vLLM on it."""
    usd_per_day: tuple[int, int] | None = None
    """From and to, as the guide saw it on the marketplace."""
    refused: str = ""
    """Why it cannot serve this model at all; empty if it can."""


class Requirement(Row):
    """One column of the guide's table of server requirements."""

    memory_gb: int
    disk_gb: int
    down_mbps: int
    cuda: str
    driver: str
    startup_min: tuple[int, int]
    """Minutes of a cold start, from and to, as the guide says."""


class License(Row):
    """Terms of use of the weights."""

    name: str
    release: Release | None = None
    permits: tuple[LicenseUse, ...]
    needs: str = ""
    revenue_limit_usd_per_month: int | None = None


class Model(Row):
    """The geometry that memory and parallelism follow from."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    max_context: int
    """Tokens."""
    released: date


class Layout(Row):
    """The files of a repository that one kind of loader needs."""

    allow: tuple[str, ...]
    ignore: tuple[str, ...] = ()


class Checkpoint(Row):
    """Repository and precision; `weights_bytes` is what an engine loads."""

    model: str
    releases: tuple[Release, ...]
    precision: str
    repository: str
    weights_bytes: int
    note: str = ""
    layouts: tuple[str, ...]
    files: tuple[str, ...] = ()
    """Patterns of its files, for repositories that hold many checkpoints."""
    gated: bool


class Engine(Row):
    """What is true of an engine whatever its version."""

    image: str
    tag_prefix: str
    layout: str
    floor: str
    recommended_floor: str
    floor_reason: str
    kv_cache_dtypes: dict[str, str]
    """Word of the configuration to the engine's own spelling."""
    precisions: tuple[str, ...]
    utilization: Share | None = None
    """Its own share of GPU memory where the guide gives one; else the topology's."""
    reserve_gib_per_gpu: float
    reserve_note: str


class Version(Row):
    """One release of an engine."""

    engine: str
    status: Literal["recommended", "known", "refused"]
    note: str
    digest: str = Field("", pattern=r"^(sha256:[0-9a-f]{64})?$")
    """Of its image; empty until somebody has looked it up."""
    image_cuda: str = ""
    image_driver: str = ""
