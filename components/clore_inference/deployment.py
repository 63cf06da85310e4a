"""MistralDeployment: from wishes to a proven endpoint."""

from datetime import UTC, datetime
from typing import Any

import pulumi

from clore_inference.args import MistralDeploymentArgs
from clore_inference.gpu_order import GpuOrder
from clore_inference.health_check import HealthCheck
from clore_inference.hf_cache import HfCache
from clore_inference.inference_server import InferenceServer
from clore_inference.keys import Keys
from clore_inference.on_order import goes_with
from clore_inference.preview import say_outlook, say_plan, say_repository
from clore_inference.settings import constructed
from clore_inference.spec import API_PORT, DeploymentSpec


class MistralDeployment(pulumi.ComponentResource):
    """One order, its weights, its engine, and the proof that the endpoint does what was asked.

    All findings of the arguments and of the rules are raised at once, before anything is bought.
    The parts carry the generation in their names: raising it builds and proves a successor first.
    """

    endpoint: pulumi.Output[str]
    """Where requests go, without `/v1`; a private endpoint is reached by `clore-inference connect`."""
    endpoint_key: pulumi.Output[str]
    """What callers send as `Authorization: Bearer`. Secret."""
    outputs: dict[str, pulumi.Output[Any]]
    """Everything worth exporting from a stack, by name."""

    def __init__(
        self, name: str, args: MistralDeploymentArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        spec, findings = constructed(args)
        super().__init__("clore:index:MistralDeployment", name, spec.flat(), opts)
        say_plan(spec, findings, self)
        keys = Keys(f"{name}-keys", pulumi.ResourceOptions(parent=self))
        if spec.host == "docker":
            self._on_docker(name, spec, args, keys)
            return
        part = f"{name}-g{spec.generation}"
        wishes: dict[str, Any] = spec.as_args()
        with_keys: Any = wishes | {
            "public_key": keys.public_key,
            "private_key": keys.private_key,
        }
        token = {word: args[word] for word in ("hf_token",) if word in args}
        proof = {"awaits_proof": True}
        order = GpuOrder(
            f"{part}-order", with_keys | token | proof, pulumi.ResourceOptions(parent=self)
        )
        told = say_outlook(spec, findings, args, order, self)
        host: dict[str, Any] = wishes | order.link | {"private_key": keys.private_key}
        with_token: Any = host | token
        cache = HfCache(f"{part}-weights", with_token, self._living_on(order, []))
        with_key: Any = host | {"endpoint_key": keys.endpoint_key, "ordered_image": order.image}
        server = InferenceServer(
            f"{part}-engine", with_key, self._living_on(order, [cache.arrived])
        )
        with_start: Any = with_key | {"start_id": server.start_id, "http_url": order.http_url}
        trusted = {"certificate": server.certificate} if spec.tls == "host" else {}
        health = HealthCheck(
            f"{part}-health", with_start | trusted, self._living_on(order, [server.ready])
        )
        self.endpoint_key = pulumi.Output.secret(keys.endpoint_key)
        self.endpoint = (
            order.http_url
            if spec.exposure == "public"
            else order.order_id.apply(lambda _: "http://localhost:8000")
        )
        exported = self._worth_exporting(spec, keys, order, server, health)
        pinned = {f"endpoint{name.title()}": value for name, value in trusted.items()}
        self.outputs = {**exported, **pinned}
        self.register_outputs({"endpoint": self.endpoint, **told})

    def _on_docker(
        self, name: str, spec: DeploymentSpec, args: MistralDeploymentArgs, keys: Keys
    ) -> None:
        """The same parts on a Docker host of one's own, which is neither rented nor replaced."""
        from clore_inference import on_docker  # noqa: PLC0415 - imports pulumi-docker

        mine = pulumi.ResourceOptions(parent=self)
        provider = on_docker.docker_provider(f"{name}-docker", spec, mine)
        there = pulumi.ResourceOptions(parent=self, providers=[provider])
        known: Any = {
            **spec.as_args(),
            **{word: args[word] for word in ("hf_token",) if word in args},
            "private_key": keys.private_key,
            "endpoint_key": keys.endpoint_key,
        }
        cache = HfCache(f"{name}-weights", known, there)
        server = InferenceServer(f"{name}-engine", known, _after(there, cache.arrived))
        proving: Any = {**known, "start_id": server.start_id}
        health = HealthCheck(f"{name}-health", proving, _after(there, server.ready))
        self.endpoint_key = pulumi.Output.secret(keys.endpoint_key)
        self.endpoint = pulumi.Output.from_input(f"http://127.0.0.1:{spec.docker_port}")
        self.outputs = {
            "endpoint": self.endpoint,
            "endpointKey": self.endpoint_key,
            "model": pulumi.Output.from_input(spec.served_model_name),
            "exposure": pulumi.Output.from_input(spec.exposure),
            "startId": server.start_id,
            "proven": health.proven,
            "docker": pulumi.Output.from_input(
                {
                    "host": spec.docker_host,
                    "hostKey": spec.docker_host_key or "",
                    "port": str(spec.docker_port),
                }
            ),
        }
        told = say_repository(spec, args, cache.snapshot, self)
        self.register_outputs({"endpoint": self.endpoint, **told})

    def _living_on(self, order: GpuOrder, after: list[pulumi.Resource]) -> pulumi.ResourceOptions:
        mine = pulumi.ResourceOptions(parent=self)
        return pulumi.ResourceOptions.merge(mine, goes_with(order.lease, after=after))

    def _worth_exporting(
        self,
        spec: DeploymentSpec,
        keys: Keys,
        order: GpuOrder,
        server: InferenceServer,
        health: HealthCheck,
    ) -> dict[str, pulumi.Output[Any]]:
        return {
            "endpoint": self.endpoint,
            "endpointKey": self.endpoint_key,
            "model": pulumi.Output.from_input(spec.served_model_name),
            "exposure": pulumi.Output.from_input(spec.exposure),
            "orderId": order.order_id,
            "serverId": order.server_id,
            "usdPerDay": order.usd_per_day,
            "endsAt": order.ends_at.apply(_as_date),
            "startId": server.start_id,
            "proven": health.proven,
            "ssh": pulumi.Output.secret(
                pulumi.Output.all(
                    host=order.ssh_host,
                    port=order.ssh_port,
                    hostKey=order.host_key,
                    privateKey=keys.private_key,
                    remotePort=str(API_PORT),
                )
            ),
        }


def _after(opts: pulumi.ResourceOptions, *what: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(what)))


def _as_date(unix_s: str) -> str:
    return datetime.fromtimestamp(float(unix_s), UTC).isoformat(timespec="seconds")
