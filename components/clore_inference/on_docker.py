"""What HfCache and InferenceServer have inside on a Docker host of one's own.

Volume, image and container are pulumi-docker's; jobs run in containers as they do on an order, under
the same supervisor, started and followed by one local process that speaks to the Docker engine.
Imported only where `host: docker` asks for it: pulumi-docker costs every other preview nothing.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import pulumi
import pulumi_docker as docker
from pulumi.dynamic import Resource

from clore_inference.host import following
from clore_inference.host.docker.hold import CACHE, health, hold
from clore_inference.host.docker.knock import why_silent
from clore_inference.host.docker.place import ContainerPlace
from clore_inference.lifecycle import docker_host
from clore_inference.lifecycle.wanted import fetch_job
from clore_inference.on_order import child_of, followed_from_here, last_line
from clore_inference.providers import ContainerLivenessProvider
from clore_inference.spec import API_PORT, DeploymentSpec
from clore_inference.units import GB, MIB

CONTAINER: Final = "docker:index/container:Container"
PULL_WITHIN: Final = "3h"
"""An image of 12 GB over 10 Mbit/s."""
KEPT_AS_IT_IS: Final = ["driver", "driverOpts", "labels"]
"""Of the volume: a replaced volume of the same name would be deleted with all weights."""


NOT_A_REASON_TO_REPLACE: Final = ["entrypoints", "healthcheck", "stopTimeout"]
"""Of the container: our own texts, so that an upgrade of this package restarts nothing."""


class ContainerLiveness(Resource, module="clore", name="ContainerLiveness"):
    """A token that is drawn again when the Docker engine says that ours is dead."""

    token: pulumi.Output[str]

    def __init__(
        self, name: str, place: ContainerPlace, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {"place": place.model_dump_json(exclude_none=True), "token": None}
        super().__init__(ContainerLivenessProvider(), name, props, opts)


def docker_provider(
    name: str, spec: DeploymentSpec, opts: pulumi.ResourceOptions
) -> docker.Provider:
    """The provider of a Docker host; another host is another provider, so that all is made there.

    The plugin refuses to start without a local Docker engine. A preview must not: where nobody
    answers, the host counts as not known yet, and the plugin is not started.
    """
    daemon = docker_host.daemon_of(spec)
    address: pulumi.Input[str] = daemon.address
    silent = why_silent(daemon)
    if silent:
        what = f"the Docker engine at {daemon.address} does not answer: {silent}"
        if not pulumi.runtime.is_dry_run():
            raise pulumi.RunError(f"{what}. Nothing was changed. Start Docker, or set dockerHost.")
        notice = "nothing was compared with it, so what it has may be shown as an update"
        pulumi.log.warn(f"{what}; {notice}. `pulumi up` needs it: start Docker.", opts.parent)
        address = _not_known_yet()
    return docker.Provider(
        f"{name}-{daemon.id}",
        host=address,
        ssh_opts=None if daemon.is_local else list(daemon.ssh_options),
        opts=opts,
    )


def _not_known_yet() -> pulumi.Output[str]:
    async def no() -> bool:
        return False

    async def nothing() -> str:
        return ""

    return pulumi.Output(set(), nothing(), no())


def _provider(part: pulumi.ComponentResource, name: str, spec: DeploymentSpec) -> Any:
    """The provider that the part was given, else one of its own."""
    given = part.get_provider(CONTAINER)
    return given or docker_provider(f"{name}-docker", spec, pulumi.ResourceOptions(parent=part))


def fetched(
    part: pulumi.ComponentResource,
    name: str,
    spec: DeploymentSpec,
    args: Mapping[str, Any],
    opts: pulumi.ResourceOptions | None,
) -> tuple[pulumi.Output[str], pulumi.Resource]:
    """Volume, image and fetch; returns what arrived, and the resource that exists since then."""
    project = pulumi.get_project()
    job = fetch_job(spec)
    child = child_of(part, opts)
    on_host = pulumi.ResourceOptions(provider=_provider(part, name, spec))
    volume = docker.Volume(
        f"{name}-volume",
        name=docker_host.volume_name(project),
        opts=pulumi.ResourceOptions.merge(
            on_host,
            pulumi.ResourceOptions(
                parent=part, retain_on_delete=True, ignore_changes=KEPT_AS_IT_IS
            ),
        ),
    )
    image = docker.RemoteImage(
        f"{name}-image",
        name=spec.image_name,
        keep_locally=True,
        opts=pulumi.ResourceOptions.merge(
            on_host,
            pulumi.ResourceOptions(
                parent=part, custom_timeouts=pulumi.CustomTimeouts(create=PULL_WITHIN)
            ),
        ),
    )
    place = docker_host.fetch_place(spec, project, job)
    known = pulumi.Output.all(hf_token=args.get("hf_token"))
    arrived = followed_from_here(
        name,
        script=following.follow_command("weights"),
        document=pulumi.Output.secret(
            known.apply(lambda values: docker_host.follow(job, spec, place, values))
        ),
        triggers=[spec.docker_host, docker_host.volume_name(project), job.id],
        opts=_after(child, volume, image),
    )
    return last_line(arrived), arrived


def served(
    part: pulumi.ComponentResource,
    name: str,
    spec: DeploymentSpec,
    args: Mapping[str, Any],
    opts: pulumi.ResourceOptions | None,
) -> tuple[pulumi.Output[str], pulumi.Resource]:
    """Container and engine; returns the start id, and the resource that exists once it answers."""
    place = docker_host.engine_place(spec, pulumi.get_project(), pulumi.get_stack())
    job = docker_host.engine_job(spec)
    child = child_of(part, opts)
    liveness = ContainerLiveness(f"{name}-liveness", place, child)
    container = _container(part, name, spec, place, liveness.token, child)
    known = pulumi.Output.all(
        endpoint_key=args["endpoint_key"],
        private_key=pulumi.Output.secret(args.get("private_key")),
    )
    ready = followed_from_here(
        name,
        script=following.follow_command("engine"),
        document=pulumi.Output.secret(
            known.apply(lambda values: docker_host.follow(job, spec, place, values))
        ),
        triggers=[container.id, job.id, liveness.token],
        opts=_after(child, container),
    )
    start_id = last_line(ready).apply(lambda line: str(json.loads(line)["start_id"]))
    return start_id, ready


def _container(
    part: pulumi.ComponentResource,
    name: str,
    spec: DeploymentSpec,
    place: ContainerPlace,
    token: pulumi.Output[str],
    child: pulumi.ResourceOptions,
) -> docker.Container:
    """The engine's container; nothing of its job stands in it, so only its own words replace it."""
    grace_s = int(docker_host.engine_job(spec).grace_s) + docker_host.STOP_MARGIN_S
    published = "127.0.0.1" if spec.exposure == "private" else "0.0.0.0"
    return docker.Container(
        f"{name}-container",
        name=place.name,
        image=spec.image_name,
        entrypoints=hold(),
        user="0:0",
        envs=["HOME=/root"],
        labels=[
            docker.ContainerLabelArgs(label=docker_host.LABEL, value=pulumi.get_project()),
            docker.ContainerLabelArgs(label=f"{docker_host.LABEL}-token", value=token),
        ],
        volumes=[
            docker.ContainerVolumeArgs(
                volume_name=docker_host.volume_name(pulumi.get_project()), container_path=CACHE
            )
        ],
        ports=[
            docker.ContainerPortArgs(internal=API_PORT, external=spec.docker_port, ip=published)
        ],
        shm_size=docker_host.SHARED_MEMORY_GB * GB // MIB,
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=health(),
            interval=f"{docker_host.HEALTH_EVERY_S}s",
            timeout="10s",
            retries=3,
            start_period=_duration(docker_host.load_s(spec)),
        ),
        restart="unless-stopped",
        must_run=True,
        stop_timeout=grace_s,
        destroy_grace_seconds=grace_s,
        security_opts=["no-new-privileges:true"],
        **_gpus(spec),
        opts=pulumi.ResourceOptions.merge(
            child,
            pulumi.ResourceOptions(
                provider=_provider(part, name, spec), ignore_changes=NOT_A_REASON_TO_REPLACE
            ),
        ),
    )


def _gpus(spec: DeploymentSpec) -> dict[str, Any]:
    if spec.docker_gpus == "none":
        return {}
    ids = docker_host.gpu_ids(spec)
    if not ids:
        return {"gpus": "all"}
    wanted = docker.ContainerDeviceRequestArgs(
        driver="nvidia", device_ids=list(ids), capabilities=["gpu"]
    )
    return {"device_requests": [wanted]}


def _duration(seconds: float) -> str:
    """As Docker itself writes it back; another spelling would look like a change."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s"


def _after(child: pulumi.ResourceOptions, *what: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=list(what)))
