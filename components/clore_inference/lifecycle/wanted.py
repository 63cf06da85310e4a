"""From a spec to what the market and the host are asked for."""

from __future__ import annotations

from typing import Final

from clore_inference import catalog, engines, sizing
from clore_inference.host.attest import ASKS, HostRequirement
from clore_inference.host.job import FetchJob, ServeJob
from clore_inference.host.link_rate import LinkWish
from clore_inference.lifecycle.installation import installation
from clore_inference.market.request import OrderRequest
from clore_inference.spec import TLS_PORT, DeploymentSpec

LOADING: Final = ("load", "warm-up")
"""Stages of a cold start that an engine goes through on its host."""


def order_request(spec: DeploymentSpec, public_key: str) -> OrderRequest:
    """What may be bought for `spec`."""
    fields = sizing.order_request_fields(spec)
    return OrderRequest.model_validate({**fields, "ssh_public_key": public_key})


def host_requirement(spec: DeploymentSpec) -> HostRequirement:
    """What a bought host must prove."""
    fields = sizing.host_requirement_fields(spec)
    link = None if spec.weights_path else link_wish(spec)
    return HostRequirement.model_validate({**fields, "link": link, "asks": ASKS})


def link_wish(spec: DeploymentSpec) -> LinkWish:
    """What the link of a bought host is measured with: something public, if possible not ours."""
    public = [row.repository for row in catalog.catalog().checkpoint if not row.gated]
    wanted = spec.repository_name
    others = [name for name in dict.fromkeys(public) if name != wanted]
    return LinkWish(
        endpoint=spec.hf_endpoint,
        repositories=(*others, wanted),
        weights_bytes=spec.checkpoint.weights_bytes if spec.checkpoint else 0,
        expected_mbps=spec.min_down_mbps or spec.needs.down_mbps,
    )


def fetch_job(spec: DeploymentSpec) -> FetchJob:
    """Which files the host fetches, once."""
    files = engines.weights(spec)
    return FetchJob(
        repository=files.repository,
        revision=files.revision,
        allow_patterns=files.allow_patterns,
        ignore_patterns=files.ignore_patterns,
        endpoint=spec.hf_endpoint,
        path=spec.weights_path or "",
        total_bytes_hint=files.total_bytes,
    )


def serve_job(spec: DeploymentSpec) -> ServeJob:
    """What the host's supervisor starts and keeps running."""
    line = engines.command(spec)
    files = engines.weights(spec) if engines.reads_snapshot(line) else None
    return ServeJob(
        argv=engines.host_argv(line),
        environment=line.environment,
        port=line.port,
        exposure=spec.exposure,
        served_model=spec.served_model_name,
        repository=files.repository if files else "",
        revision=files.revision if files else "",
        guard={"engine": spec.engine, "served_model": spec.served_model_name},
        install=installation(spec),
        tls_port=TLS_PORT if (spec.host, spec.tls) == ("clore", "host") else 0,
        estimate_s=estimate_s(spec, *LOADING),
    )


def estimate_s(spec: DeploymentSpec, *stages: str) -> float:
    """Marketplace seconds that these stages of a cold start are expected to take."""
    known = {stage.name: stage.seconds for stage in sizing.startup(spec).stages}
    return sum(known[name] for name in stages)
