"""Failures of jobs in the form that people act on: what is true, what it costs, what to do; pure."""

from __future__ import annotations

from typing import Final

from clore_inference.errors import EngineFailed, WeightsFailed
from clore_inference.host.advice import in_numbers
from clore_inference.host.job import FetchJob, Job
from clore_inference.host.verdict import Failure

SHOWN_LINES: Final = 20

_WEIGHTS: Final = {
    "gated": "Accept the license at {url} with the account of this token (hfToken or HF_TOKEN)",
    "not_found": "Check the name of the repository and the wanted files at {url}",
    "revision_not_found": "Set revision to a branch, tag or commit of {url}",
    "disk_full": "Raise the disk that is asked for, and replace the order",
    "quota": "The host lets its container write less than the disk has: replace the order",
    "hash_mismatch": "The hub or a mirror sends damaged files: try again, or set hfEndpoint",
    "network": "Nothing that arrived is fetched again",
    "no_hub_client": "Use the engine's own image, which has it",
}
ENGINE_FIXES: Final = {
    "unknown_flag": "This release does not take that flag or value: change it, or set engineVersion",
    "context_too_long": "Lower maxModelLen to what the model was made for",
    "kv_cache_too_large": "Lower maxModelLen, set kvCacheDtype to fp8, or take more GPUs",
    "out_of_memory": "Use the FP8 checkpoint, lower maxModelLen to 32768, or take more GPUs",
    "out_of_memory_at_work": "Lower maxNumSeqs (8) or maxModelLen, or set kvCacheDtype to fp8",
    "driver": "Ask for a newer driver or CUDA, and replace the order",
    "no_kernel_image": "This release was not built for this GPU: set engineVersion or the topology",
    "gpu_lost": "A GPU of this host has failed: replace the order",
    "weights_broken": "Run `pulumi up` again, which checks every file and fetches what is broken",
    "wrong_model": "The files are another model's: check repository, revision and precision",
    "broken_packages": "Packages of this engine do not fit together: set image or engineVersion",
    "gated": "The engine is offline on purpose: the weights were not complete when it started",
    "weights_missing": "Run `pulumi up` again, which fetches what is missing",
    "shared_memory": "This host's /dev/shm is too small for tensor parallelism: replace the order",
    "disk_full": "Raise the disk that is asked for, and replace the order",
    "port_taken": "Another process of the host holds the port",
    "not_installed": "Use an image that has this engine",
    "not_locked": "Set engineVersion to a locked release, set engineLock, or raise generation",
    "install_disk_full": "Raise the disk that is asked for with a new order, or raise generation",
    "install_hash": "The package index sends other files than were locked: set packageIndex",
    "install_network": "Nothing that arrived is fetched again; set packageIndex where it is blocked",
    "install_failed": "Its log says more; a new order with the engine's own image needs no install",
    "no_installer": "Raise generation for a new order with the engine's own image",
    "no_python": "Raise generation for a new order with the engine's own image",
    "no_compiler": "Raise generation for a new order with llama.cpp's own image",
    "no_openssl": "Set tls: relay, or exposure: private, which goes to the host by SSH",
    "killed": "Ask for more main memory, and replace the order",
    "guard": "The door in front of the engine cannot stand up, so the engine was not started",
    "crash_loop": "It was started again as often as is sensible; its log says more",
}
NEXT: Final = "Then run `pulumi up` again, or end all of it with `pulumi destroy`."


def job_error(
    job: Job, failure: Failure, *, place: str, cost_note: str
) -> WeightsFailed | EngineFailed:
    """The error for a failed job; its message ends with the last lines of the log."""
    kind = failure.kind
    cost = f" {cost_note.rstrip('.')}." if cost_note else ""
    if isinstance(job, FetchJob):
        url = f"{job.endpoint}/{job.repository}"
        fix = _WEIGHTS.get(kind, "See the last lines below").format(url=url)
        what = f"the weights of {job.repository} at {job.revision} did not arrive on {place}"
        message = f"{what}: {kind}: {failure.text.rstrip('.')}.{cost} {fix}. {NEXT}"
        return WeightsFailed(message + _tail(failure), kind=kind)
    fix = ENGINE_FIXES.get(kind, "See the last lines below")
    numbers = in_numbers(failure.text)
    fix = f"{fix} ({numbers})" if numbers else fix
    name = job.install.release.replace("-", " ", 1) if job.install else job.argv[0]
    what = f"the engine {name} on {place} ended"
    if failure.kept:
        what = f"{name} was not started on {place}; an engine that ran before goes on"
    message = f"{what}: {kind}: {failure.text.rstrip('.')}.{cost} {fix}. {NEXT}"
    return EngineFailed(message + _tail(failure), kind=kind)


def _tail(failure: Failure) -> str:
    if not failure.tail:
        return ""
    lines = "\n".join(f"  | {line}" for line in failure.tail[-SHOWN_LINES:])
    return f"\nThe last lines of its log:\n{lines}"
