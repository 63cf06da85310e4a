"""The components' arguments: the configuration's words in snake_case, and what only a program has.

Values that decide something before anything is bought are plain, so that rules and policies can
read them at preview; only what another resource makes is an `Input`. The Clore key is no argument:
it reaches the providers through the configuration or the environment. Pulumi reads these classes at
run time, so this module has no postponed annotations and no Literal.
"""

from typing import NotRequired, TypedDict

import pulumi


class DeploymentWishes(TypedDict):
    """What is wanted. Only `license_use` and `max_usd_per_day` have no default."""

    license_use: str
    """research, evaluation or commercial."""
    max_usd_per_day: str
    """Most that the order may cost, USD per day for the whole server, renter fee included."""
    max_usd_total: NotRequired[str]
    """Most that an order may cost in all, USD, if nobody ever ends it."""
    license_evidence: NotRequired[str]
    """Which license applies and why, as `<license>: <reference>`; needed for commercial use."""
    api_url: NotRequired[str]
    """Base URL of the marketplace, without /v1."""
    hf_endpoint: NotRequired[str]
    """Where the host fetches the weights from."""
    time_scale: NotRequired[float]
    """How many times faster than the wall the clock runs; above 1 only against an emulator."""
    host: NotRequired[str]
    """clore or docker."""
    generation: NotRequired[int]
    """Raise it to prove a successor before the old deployment is deleted."""
    docker_host: NotRequired[str]
    """With host docker: unix:///path of a local socket or ssh://user@host."""
    docker_host_key: NotRequired[str]
    """With an ssh:// docker_host: the SSH key that it must show."""
    docker_gpus: NotRequired[str]
    """With host docker: all, none, or the ids of the GPUs for the engine."""
    docker_port: NotRequired[int]
    """With host docker: port of the host that leads to the API."""
    release: NotRequired[str]
    """guide or upstream: whose description of the model holds."""
    precision: NotRequired[str]
    """fp8, bf16, q4_k_m, …"""
    topology: NotRequired[str]
    """GPU count and kind: 4xH100, 2xH200, …"""
    engine: NotRequired[str]
    """vllm, sglang or llamacpp."""
    engine_version: NotRequired[str]
    """Engine release; the catalog's recommended one if left out."""
    image: NotRequired[str]
    """Image of the order; the engine's own if left out."""
    package_index: NotRequired[str]
    """Package index that another engine is installed from; the host's own if left out."""
    engine_lock: NotRequired[str]
    """File or folder with the locked packages of engine and version; the package's own if left out."""
    repository: NotRequired[str]
    """Hugging Face repository; the one of release and precision if left out."""
    revision: NotRequired[str]
    """Commit of the repository, 40 hex digits."""
    weights_path: NotRequired[str]
    """Folder on the host that already holds the files: verified and linked, not fetched."""
    max_model_len: NotRequired[int]
    """Longest context of one request, tokens."""
    gpu_memory_utilization: NotRequired[float]
    """Share of GPU memory for the engine; the guide's value if left out."""
    kv_cache_dtype: NotRequired[str]
    """auto or fp8; with llama.cpp also q8_0 and q4_0."""
    max_num_seqs: NotRequired[int]
    """Most requests served at the same time."""
    served_model_name: NotRequired[str]
    """The model's name in the API."""
    exposure: NotRequired[str]
    """private (loopback of the host, reached through SSH) or public (https, guard and key)."""
    tls: NotRequired[str]
    """relay (TLS of a public endpoint ends at Clore's name) or host (it ends on the host)."""
    currency: NotRequired[str]
    """Wallet that pays."""
    order_type: NotRequired[str]
    """on-demand, or spot: cheaper, and over as soon as anybody bids more."""
    spot_bid_usd_per_day: NotRequired[str]
    """What a spot order bids and pays, USD per day, renter fee included."""
    min_down_mbps: NotRequired[float]
    """Least download rate of an offer, Mbps."""
    min_reliability: NotRequired[float]
    """Least reliability of an offer, 0 to 1."""
    min_term_hours: NotRequired[float]
    """Least maximum rental length of an offer, hours."""
    countries: NotRequired[list[str]]
    """Two-letter codes of accepted countries; all if empty."""
    excluded_countries: NotRequired[list[str]]
    """Two-letter codes of countries to avoid."""
    max_replacements: NotRequired[int]
    """How many further servers are tried when a host proves unfit."""
    accept_deadline_minutes: NotRequired[float]
    """Minutes from the accepted order to a proven host; from sizes and rates if left out."""


class MistralDeploymentArgs(DeploymentWishes):
    """Arguments of MistralDeployment."""

    hf_token: NotRequired[pulumi.Input[str]]
    """Hugging Face token with read access, for gated repositories. Secret."""


class GpuOrderArgs(DeploymentWishes):
    """Arguments of GpuOrder."""

    public_key: pulumi.Input[str]
    """OpenSSH public key that the order installs."""
    private_key: pulumi.Input[str]
    """Its private key, with which the host is attested. Secret."""
    hf_token: NotRequired[pulumi.Input[str]]
    """Must open the repository of the weights before anything is bought. Secret."""
    awaits_proof: NotRequired[bool]
    """A HealthCheck proves what runs on the order; until then no lease that left the program ends."""


class HostArgs(DeploymentWishes):
    """What every component on a host needs: the wishes, and on an order the way onto it.

    What it lives and ends with comes in its options: `goes_with` of `on_order`. On a Docker host the
    wishes lead there, and order and SSH are left out.
    """

    order_id: NotRequired[pulumi.Input[str]]
    ssh_host: NotRequired[pulumi.Input[str]]
    ssh_port: NotRequired[pulumi.Input[str]]
    host_key: NotRequired[pulumi.Input[str]]
    """OpenSSH public key line of the host, pinned when it was accepted."""
    private_key: NotRequired[pulumi.Input[str]]
    """Opens the host by SSH; the operator's key for metrics is derived from it. Secret."""
    usd_per_day: NotRequired[pulumi.Input[str]]
    """What the order costs, for messages."""
    down_mbps: NotRequired[pulumi.Input[str]]
    """The host's link as measured, Mbps; deadlines follow from it."""
    disk_mb_per_s: NotRequired[pulumi.Input[str]]
    """Its disk as advertised, MB/s; deadlines follow from it."""


class HfCacheArgs(HostArgs):
    """Arguments of HfCache."""

    hf_token: NotRequired[pulumi.Input[str]]
    """Hugging Face token with read access, for gated repositories. Secret."""


class InferenceServerArgs(HostArgs):
    """Arguments of InferenceServer."""

    endpoint_key: pulumi.Input[str]
    """What callers send as `Authorization: Bearer`. Secret."""
    ordered_image: NotRequired[pulumi.Input[str]]
    """Image that the order was bought with; another engine is installed beside its own."""


class HealthCheckArgs(HostArgs):
    """Arguments of HealthCheck."""

    endpoint_key: pulumi.Input[str]
    """Secret."""
    start_id: pulumi.Input[str]
    """Drawn at each start of the engine; another one is proven again."""
    http_url: NotRequired[pulumi.Input[str]]
    """The public name of an order's port 8000, with its scheme."""
    certificate: NotRequired[pulumi.Input[str]]
    """PEM that the endpoint's TLS must show; the public authorities' where it is left out."""
