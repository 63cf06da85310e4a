"""What another configuration does to a running deployment, part by part; pure, nothing is asked.

It follows from the same functions that make the resources' inputs: the lease is replaced for other
GPUs only, weights and engine for another job, and everything on an order with its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from clore_inference.errors import ConfigError
from clore_inference.host.attest import HostRequirement, shortfalls
from clore_inference.lifecycle.installation import beside
from clore_inference.lifecycle.wanted import fetch_job, host_requirement, order_request, serve_job
from clore_inference.spec import DeploymentSpec

Part = Literal["keys", "guard", "lease", "weights", "engine", "health"]
Fate = Literal["create", "replace", "keep", "keep if it fits", "succeed"]
PARTS: Final[tuple[Part, ...]] = ("keys", "guard", "lease", "weights", "engine", "health")
MEANING: Final[dict[Fate, str]] = {
    "create": "created",
    "replace": "replaced",
    "keep": "kept",
    "keep if it fits": "kept, if the held host meets the new request; else replaced",
    "succeed": "a successor is built and proven, then the old one is deleted",
}


@dataclass(frozen=True)
class Step:
    """What happens to one part, and why."""

    part: Part
    fate: Fate
    because: str = ""


def difference(base: DeploymentSpec | None, head: DeploymentSpec) -> tuple[Step, ...]:
    """Return one step per part; `base` is None where nothing is deployed yet."""
    if base is None:
        return tuple(Step(part, "create", "new stack") for part in PARTS)
    if _place(base) != _place(head):
        why = f"host {_place(base)} -> {_place(head)}"
        return (Step("keys", "keep"), *(Step(part, "replace", why) for part in PARTS[1:]))
    if base.generation != head.generation and head.host == "clore":
        why = f"generation {base.generation} -> {head.generation}"
        return (Step("keys", "keep"), *(Step(part, "succeed", why) for part in PARTS[1:]))
    lease = _lease(base, head)
    if lease.fate == "replace":
        rest = (Step(part, "replace", "lives on the order") for part in PARTS[3:])
        return (Step("keys", "keep"), Step("guard", "keep"), lease, *rest)
    weights = _by_job("weights", "other files", lambda spec: fetch_job(spec).id, base, head)
    engine = _by_job("engine", _why(base, head), lambda spec: serve_job(spec).id, base, head)
    proven = engine.fate == "keep"
    health = Step("health", "keep") if proven else Step("health", "replace", "another start")
    return (Step("keys", "keep"), Step("guard", "keep"), lease, weights, engine, health)


def _place(spec: DeploymentSpec) -> str:
    return spec.docker_host if spec.host == "docker" else spec.host


def _lease(base: DeploymentSpec, head: DeploymentSpec) -> Step:
    had, want = order_request(base, ""), order_request(head, "")
    if (had.gpu, had.gpu_count) != (want.gpu, want.gpu_count):
        why = f"{had.gpu_count}x {had.gpu} -> {want.gpu_count}x {want.gpu}"
        return Step("lease", "replace", f"{why}: cancelled, then rented anew")
    lacking = shortfalls(_barely(host_requirement(base)), host_requirement(head))
    if lacking:
        return Step("lease", "keep if it fits", f"a host that just met the base: {lacking[0]}")
    lacks = sorted(set(want.ports) - set(had.ports))
    if lacks:
        why = f"it was bought without port {lacks[0]}, so `pulumi up` refuses: raise generation"
        return Step("lease", "keep", why)
    if had != want:
        return Step("lease", "keep", "cap, filters and image count at the next purchase")
    return Step("lease", "keep")


def _barely(requirement: HostRequirement) -> dict[str, Any]:
    """The attested facts of a host that meets a requirement and nothing more."""
    gpu = {"name": requirement.gpu_names[0], "memory_mib": requirement.min_gpu_memory_mib}
    return {
        "gpus": [gpu] * requirement.gpu_count,
        "driver": requirement.min_driver,
        "cuda": requirement.min_cuda,
        "disk_free_gb": requirement.min_disk_free_gb,
        "shm_gb": requirement.min_shm_gb,
        "memory_gb": requirement.min_memory_gb,
        "python": "3.9",
    }


def _why(base: DeploymentSpec, head: DeploymentSpec) -> str:
    """What another engine job means: an install first, or only another command line."""
    if (base.engine, base.version) == (head.engine, head.version):
        return "another command line"
    if head.host == "docker":
        return "another image: the container is made anew"
    # The order's image is the one that it was bought with: as far as the two say, the base's.
    return beside(head, base.image_name) or f"{head.engine} {head.version}, which the image has"


def _by_job(
    part: Part,
    why: str,
    identity: Callable[[DeploymentSpec], str],
    base: DeploymentSpec,
    head: DeploymentSpec,
) -> Step:
    try:
        changed = identity(base) != identity(head)
    except ConfigError:
        return Step(part, "replace", "one of the two configurations cannot run")
    return Step(part, "replace", why) if changed else Step(part, "keep")


def in_short(steps: tuple[Step, ...]) -> str:
    """Say in one sentence what the change costs a running deployment."""
    fate = {step.part: step.fate for step in steps}
    if fate["lease"] == "create":
        return "A new deployment: one order, weights, engine, proof."
    if fate["lease"] == "succeed":
        return "A second order beside the first one until the successor is proven."
    if fate["lease"] == "replace":
        return "A NEW ORDER: the endpoint is away for a whole cold start."
    return _on_the_same_order(steps)


def _on_the_same_order(steps: tuple[Step, ...]) -> str:
    because = {step.part: step.because for step in steps}
    fate = {step.part: step.fate for step in steps}
    if "refuses" in because["lease"]:
        return f"The order stays as it is: {because['lease']}."
    install = because["engine"] if " installed beside " in because["engine"] else ""
    first = f"{install.partition(' unless ')[0]}. " if install else ""
    if fate["weights"] == "replace":
        return f"{first}Other weights are fetched onto the same order, and the engine starts again."
    if fate["engine"] == "replace":
        return f"{first}The engine starts again on the same order."
    return "Nothing that runs is touched."
