"""What is wanted, complete and typed: the spec behind every component and command."""

from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from clore_inference import catalog
from clore_inference.catalog import Checkpoint, Engine, Gpu, Model, Requirement, Topology

API_PORT = 8000
"""Container port of the API; the guide's, and the order's one http port."""
SSH_PORT = 22
TLS_PORT = 8443
"""Container port of the door whose TLS ends on the host; asked for where `tls: host` is set."""


class DeploymentSpec(BaseModel):
    """One deployment, flat, with the words of the configuration in snake_case.

    Build it with `DeploymentSpec.parse`, which knows defaults and gives all findings at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_url: str
    hf_endpoint: str
    time_scale: float
    host: Literal["clore", "docker"]
    generation: int
    docker_host: str
    docker_host_key: str | None
    docker_gpus: str
    docker_port: int
    release: Literal["guide", "upstream"]
    precision: str
    topology: str
    engine: Literal["vllm", "sglang", "llamacpp"]
    engine_version: str | None
    image: str | None
    package_index: str | None
    engine_lock: str | None
    repository: str | None
    revision: str | None
    weights_path: str | None
    max_model_len: int
    gpu_memory_utilization: float | None
    kv_cache_dtype: str
    max_num_seqs: int | None
    served_model_name: str
    exposure: Literal["private", "public"]
    tls: Literal["relay", "host"]
    license_use: Literal["research", "evaluation", "commercial"]
    license_evidence: str | None
    max_usd_per_day: Decimal
    max_usd_total: Decimal | None
    currency: str
    order_type: Literal["on-demand", "spot"]
    spot_bid_usd_per_day: Decimal | None
    min_down_mbps: float
    min_reliability: float
    min_term_hours: float
    countries: tuple[str, ...]
    excluded_countries: tuple[str, ...]
    max_replacements: int
    accept_deadline_minutes: float | None

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> "DeploymentSpec":
        """Read flat camelCase values; raises ConfigError with every finding of the reading.

        Secrets may be among the values and are passed over. Rules are not run here: see
        `clore_inference.rules.construct`.
        """
        from clore_inference.spec.reading import read_values  # noqa: PLC0415 - reading builds specs

        return read_values(values).require()

    def flat(self) -> dict[str, Any]:
        """Return the spec as flat camelCase plain values, as component inputs carry it.

        Values that are not set are left out; `parse` gives the same spec back.
        """
        from clore_inference.spec.keys import spec_keys  # noqa: PLC0415 - a leaf of the same room

        values = self.model_dump(mode="json")
        return {key.name: values[key.field] for key in spec_keys() if values[key.field] is not None}

    @classmethod
    def parse_args(cls, args: Mapping[str, object]) -> "DeploymentSpec":
        """Read the snake_case words of the components' arguments; else as `parse`."""
        from clore_inference.spec.keys import camel  # noqa: PLC0415 - a leaf of the same room

        return cls.parse({camel(name): value for name, value in args.items()})

    def as_args(self) -> dict[str, Any]:
        """Return the spec as plain arguments of a component, snake_case; `parse_args` reads them."""
        from clore_inference.spec.keys import snake  # noqa: PLC0415 - a leaf of the same room

        return {snake(name): value for name, value in self.flat().items()}

    @property
    def is_emulated(self) -> bool:
        """Whether the marketplace is on a loopback address: an emulator, whose money is nobody's."""
        try:
            return ip_address(urlsplit(self.api_url).hostname or "").is_loopback
        except ValueError:
            return False

    @property
    def on_loopback(self) -> bool:
        """Whether the engine listens on an order's loopback only, behind SSH or a TLS door.

        In a container of one's own it listens on all: what the container publishes decides there.
        """
        return self.host == "clore" and (self.exposure == "private" or self.tls == "host")

    @property
    def shape(self) -> Topology:
        """The topology's row."""
        return catalog.topology(self.topology)

    @property
    def gpu(self) -> Gpu:
        """The kind of every GPU."""
        return catalog.gpu(self.shape.gpu)

    @property
    def needs(self) -> Requirement:
        """The guide's requirements for this topology."""
        return catalog.requirement(self.shape.requirement)

    @property
    def engine_row(self) -> Engine:
        """What is true of the engine whatever its version."""
        return catalog.engine(self.engine)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Repository and size of the wanted precision; None if the release has none."""
        return catalog.checkpoint(self.release, self.precision)

    @property
    def model(self) -> Model:
        """The geometry of the checkpoint's model; of the first one where there is no checkpoint."""
        return catalog.model(self.checkpoint.model) if self.checkpoint else catalog.first_model()

    @property
    def version(self) -> str:
        """The engine's release: the configured one, else the recommended one."""
        return self.engine_version or catalog.recommended(self.engine).id

    @property
    def repository_name(self) -> str:
        """Where the weights are: the configured repository, else the release's."""
        if self.repository:
            return self.repository
        return self.checkpoint.repository if self.checkpoint else ""

    @property
    def utilization(self) -> float:
        """Share of GPU memory for the engine: configured, else the guide's for engine or topology."""
        return self.gpu_memory_utilization or self.engine_row.utilization or self.shape.utilization

    @property
    def kv_dtype(self) -> str | None:
        """The KV cache's type in the engine's spelling; None if the engine does not have it."""
        return self.engine_row.kv_cache_dtypes.get(self.kv_cache_dtype)

    @property
    def image_name(self) -> str:
        """The order's image: configured, else the engine's own, by digest where it is known."""
        if self.image:
            return self.image
        row = self.engine_row
        digest = next(
            (one.digest for one in catalog.versions(row.id) if one.id == self.version), ""
        )
        tagged = f"{row.image}:{row.tag_prefix}{self.version}"
        return f"{tagged}@{digest}" if digest else tagged
