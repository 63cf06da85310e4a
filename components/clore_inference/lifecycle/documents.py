"""What a job's start and its follower are told on standard input; both hold secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from clore_inference.host.bootstrap import start_document
from clore_inference.host.following import follow_document
from clore_inference.host.job import FetchJob, Job
from clore_inference.host.login import Login
from clore_inference.lifecycle.installation import brought
from clore_inference.secret import Secret
from clore_inference.sizing import deadline
from clore_inference.spec import DeploymentSpec
from clore_inference.units import SECONDS_PER_HOUR


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
        deadline_s=deadline_s(job, spec, known),
        token=token_of(job, known),
        endpoint_keys=keys_of(known),
        scale=spec.time_scale,
        cost_note=_cost_note(known),
    )


def deadline_s(job: Job, spec: DeploymentSpec, known: Mapping[str, Any] | None = None) -> float:
    """Marketplace seconds that a follower waits: from sizes, and rates measured or asked for."""
    told = known or {}
    measured = _rate(told.get("down_mbps"))
    link = measured or deadline.slowest_mbps(spec)
    if isinstance(job, FetchJob):
        size = job.total_bytes_hint
        return deadline.fetch(size, link, measured=measured is not None).seconds
    disk = _rate(told.get("disk_mb_per_s"))
    installs = job.install is not None and bool(job.install.lock)
    return deadline.serve(
        spec.checkpoint.weights_bytes if spec.checkpoint else 0,
        disk_bytes_per_s=disk * 10**6 if disk else None,
        install_bytes=job.install.fetch_bytes if job.install and installs else 0,
        link_mbps=link,
    ).seconds


def _rate(text: object) -> float | None:
    """A rate out of the lease's outputs; None where nobody knows it."""
    try:
        rate = float(str(text))
    except ValueError:
        return None
    return rate if 0 < rate < float("inf") else None


def _on_order(job: Job, spec: DeploymentSpec, known: Mapping[str, Any]) -> Job:
    """The job as an order of that image needs it."""
    if isinstance(job, FetchJob):
        return job
    names = (str(known["ssh_host"]),) if job.tls_port else ()
    job = job.model_copy(update={"tls_names": names})
    return job.on_image(brought(spec, str(known.get("ordered_image") or "")))


def token_of(job: Job, known: Mapping[str, Any]) -> Secret | None:
    """The token, for a fetch only."""
    token = known.get("hf_token")
    return Secret(str(token)) if token and isinstance(job, FetchJob) else None


def keys_of(known: Mapping[str, Any]) -> Secret | None:
    """The keys as the host needs them: hashes, under names and roles."""
    if not known.get("endpoint_key"):
        return None
    from clore_inference.serving import (  # noqa: PLC0415 - compiles the guard's patterns
        keys_document,
        ops_key,
    )

    rows: list[tuple[str, Secret, Literal["user", "ops"]]] = [
        ("default", Secret(str(known["endpoint_key"])), "user")
    ]
    if known.get("private_key"):
        rows.append(("operator", ops_key(Secret(str(known["private_key"]))), "ops"))
    return Secret(keys_document(rows))


def _cost_note(known: Mapping[str, Any]) -> str:
    order, usd_per_day = known["order_id"], known.get("usd_per_day")
    if not usd_per_day:
        return f"order {order} goes on billing"
    per_hour = float(usd_per_day) * SECONDS_PER_HOUR / 86400
    return f"order {order} goes on at {per_hour:.2f} USD/h"
