"""What a Docker host of one's own is asked for: its containers, their volume, and how they are."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from clore_inference import sizing
from clore_inference.clock import is_loopback
from clore_inference.host.attest import HostRequirement
from clore_inference.host.docker.daemon import Daemon
from clore_inference.host.docker.hold import CACHE, hold
from clore_inference.host.docker.place import ContainerPlace
from clore_inference.host.following import follow_document
from clore_inference.host.job import FetchJob, Job, ServeJob
from clore_inference.lifecycle.documents import deadline_s, keys_of, token_of
from clore_inference.lifecycle.session import Change, Properties, Session
from clore_inference.lifecycle.wanted import serve_job
from clore_inference.spec import DeploymentSpec

STATUS_TIMEOUT_S: Final = 2.5
"""Real seconds: a diff may take 3 in all."""
SHARED_MEMORY_GB: Final = 32
"""Of /dev/shm: tensor parallelism exchanges there, and it takes memory only as it is written.
Source: https://docs.sglang.ai/get_started/install.html, `--shm-size 32g`."""
STOP_MARGIN_S: Final = 15
"""Real seconds beyond the limit for requests in flight before Docker kills a container."""
LABEL: Final = "clore-inference"
HEALTH_EVERY_S: Final = 15


def daemon_of(spec: DeploymentSpec) -> Daemon:
    """The Docker engine that a spec names."""
    return Daemon(spec.docker_host, spec.docker_host_key)


def volume_name(project: str) -> str:
    """The volume of the weights: one for each project and Docker host, whatever its stacks are."""
    return f"{_word(project)}-weights"


def engine_name(project: str, stack: str) -> str:
    """The container of a stack's engine."""
    return f"{_word(project)}-{_word(stack)}"


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text).lstrip("-_.") or "stack"


def engine_job(spec: DeploymentSpec) -> ServeJob:
    """What runs in the engine's container; its image has the engine, so nothing is installed."""
    return serve_job(spec).model_copy(update={"install": None})


def engine_place(spec: DeploymentSpec, project: str, stack: str) -> ContainerPlace:
    """The engine's container, which Pulumi makes."""
    return ContainerPlace(
        address=spec.docker_host,
        host_key=spec.docker_host_key,
        name=engine_name(project, stack),
    )


def fetch_place(spec: DeploymentSpec, project: str, job: FetchJob) -> ContainerPlace:
    """The container that fetches: the engine's image with the volume, for as long as it takes.

    It is given the GPUs too, so that a host without them is found before 134 GB are fetched. What
    it knows of the job lies on the volume: a complete fetch is complete for every later container.
    """
    return ContainerPlace(
        address=spec.docker_host,
        host_key=spec.docker_host_key,
        name=f"{volume_name(project)}-{job.id}",
        make={
            "Image": spec.image_name,
            "Entrypoint": hold(f"{CACHE}/.clore-inference/{job.id}"),
            "User": "0:0",
            "Env": ["HOME=/root"],
            "Labels": {LABEL: project},
            "HostConfig": {
                "Mounts": [{"Type": "volume", "Source": volume_name(project), "Target": CACHE}],
                "NetworkMode": "host" if is_loopback(spec.hf_endpoint) else "bridge",
                "DeviceRequests": device_requests(spec),
                "SecurityOpt": ["no-new-privileges:true"],
            },
        },
        requirement=requirement(spec),
    )


def requirement(spec: DeploymentSpec) -> HostRequirement:
    """What the host must prove: what the engine would die without, and nothing that was promised.

    Free disk is the fetch's own question, by what is missing; shared memory is what we set; and an
    older engine may still hold the GPUs' memory.
    """
    if spec.docker_gpus == "none":
        return HostRequirement(gpu_names=(), gpu_count=0, min_gpu_memory_mib=0)
    wanted = sizing.host_requirement_fields(spec)
    return HostRequirement(
        gpu_names=wanted["gpu_names"],
        gpu_count=wanted["gpu_count"],
        min_gpu_memory_mib=wanted["min_gpu_memory_mib"],
        min_driver=wanted["min_driver"],
        min_cuda=wanted["min_cuda"],
    )


def gpu_ids(spec: DeploymentSpec) -> tuple[str, ...]:
    """The GPUs that are named one by one; none for all, and for no GPU."""
    return () if spec.docker_gpus in ("all", "none") else tuple(spec.docker_gpus.split(","))


def device_requests(spec: DeploymentSpec) -> list[dict[str, Any]]:
    """The GPUs in the words of the Docker Engine API."""
    if spec.docker_gpus == "none":
        return []
    chosen: dict[str, Any] = {"DeviceIDs": list(gpu_ids(spec))} if gpu_ids(spec) else {"Count": -1}
    return [{**chosen, "Capabilities": [["gpu"]]}]


def follow(job: Job, spec: DeploymentSpec, place: ContainerPlace, known: Mapping[str, Any]) -> str:
    """The document for the process that starts `job` in a container and follows it."""
    return follow_document(
        job,
        place,
        deadline_s=deadline_s(job, spec),
        token=token_of(job, known),
        endpoint_keys=keys_of(known),
        scale=spec.time_scale,
    )


def load_s(spec: DeploymentSpec) -> float:
    """Seconds that the engine may take to load before Docker calls it unhealthy."""
    return deadline_s(engine_job(spec), spec)


def create(inputs: Properties) -> dict[str, Any]:
    """Draw a token; a new token is what makes the container and its engine start again."""
    return {"place": inputs["place"], "token": secrets.token_hex(8)}


def diff(session: Session, state: Properties, inputs: Properties) -> Change:
    """Ask for a new token only when the Docker engine itself answers that ours is dead."""
    if inputs["place"] != state["place"]:
        return Change(replaces=("place",))
    from clore_inference.host.docker.status import container_status  # noqa: PLC0415 - asyncssh

    place = ContainerPlace.model_validate_json(inputs["place"])
    status = container_status(place, timeout_s=STATUS_TIMEOUT_S)
    if status.state in ("dead", "absent"):
        session.warn(
            f"the engine in {place.place} is {status.state}: {status.reason}. It is started again."
        )
        return Change(replaces=("token",))
    if status.state == "unreachable":
        session.warn(
            f"{place.place} does not answer: {status.reason}. Unreachable is not dead; nothing "
            "changes."
        )
    return Change()
