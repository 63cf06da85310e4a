"""What a job's start and its follower are told on standard input; both hold secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clore_inference.host.bootstrap import start_document
from clore_inference.host.following import follow_document
from clore_inference.host.job import FetchJob, Job, ServeJob
from clore_inference.host.login import Login
from clore_inference.lifecycle.installation import brought
from clore_inference.lifecycle.wanted import LOADING, estimate_s
from clore_inference.secret import Secret
from clore_inference.serving import keys_document, ops_key
from clore_inference.sizing import transfer_s
from clore_inference.spec import DeploymentSpec
from clore_inference.units import SECONDS_PER_HOUR

PATIENCE: Final = 3
"""How many times its estimate a job may take before its follower gives up; the job itself goes on."""
UNPACK_S: Final = 600
"""Marketplace seconds to unpack or build an engine that was fetched; llama.cpp takes minutes."""
LEAST_PATIENCE_S: Final = 1800
"""Marketplace seconds; estimates below ten minutes say little about a slow relay."""


def start(job: Job, spec: DeploymentSpec, known: Mapping[str, Any]) -> str:
    """The document for the script that starts `job` on its host."""
    return start_document(
        _on_order(job, spec, known),
        token=token_of(job, known),
        endpoint_keys=keys_of(known),
        scale=spec.time_scale,
    )


def follow(job: Job, spec: DeploymentSpec, known: Mapping[str, Any]) -> str:
    """The document for the process that follows `job` from here."""
    login = Login(
        host=str(known["ssh_host"]),
        port=int(known["ssh_port"]),
        private_key=Secret(str(known["private_key"])),
        host_key=str(known["host_key"]),
    )
    job = _on_order(job, spec, known)
    return follow_document(
        job,
        login,
        deadline_s=deadline_s(job, spec),
        token=token_of(job, known),
        endpoint_keys=keys_of(known),
        scale=spec.time_scale,
        cost_note=_cost_note(known),
    )


def deadline_s(job: Job, spec: DeploymentSpec) -> float:
    """Marketplace seconds that a follower waits: from the sizes and the link that was asked for."""
    if isinstance(job, FetchJob):
        return max(LEAST_PATIENCE_S, PATIENCE * estimate_s(spec, "weights"))
    loading = max(LEAST_PATIENCE_S, PATIENCE * estimate_s(spec, *LOADING))
    return loading + PATIENCE * _install_s(job, spec)


def _install_s(job: ServeJob, spec: DeploymentSpec) -> float:
    """Marketplace seconds that an install may take; 0 where the image has the engine."""
    if job.install is None or not job.install.lock:
        return 0
    link = spec.min_down_mbps or spec.needs.down_mbps
    return UNPACK_S + transfer_s(job.install.fetch_bytes, link)


def _on_order(job: Job, spec: DeploymentSpec, known: Mapping[str, Any]) -> Job:
    """The job as an order of that image needs it."""
    if isinstance(job, FetchJob):
        return job
    return job.on_image(brought(spec, str(known.get("ordered_image") or "")))


def token_of(job: Job, known: Mapping[str, Any]) -> Secret | None:
    """The token, for a fetch only."""
    token = known.get("hf_token")
    return Secret(str(token)) if token and isinstance(job, FetchJob) else None


def keys_of(known: Mapping[str, Any]) -> Secret | None:
    """The keys as the host needs them: hashes, under names and roles."""
    if not known.get("endpoint_key"):
        return None
    operator = ops_key(Secret(str(known["private_key"])))
    default = Secret(str(known["endpoint_key"]))
    return Secret(keys_document([("default", default, "user"), ("operator", operator, "ops")]))


def _cost_note(known: Mapping[str, Any]) -> str:
    order, usd_per_day = known["order_id"], known.get("usd_per_day")
    if not usd_per_day:
        return f"order {order} goes on billing"
    per_hour = float(usd_per_day) * SECONDS_PER_HOUR / 86400
    return f"order {order} goes on at {per_hour:.2f} USD/h"
