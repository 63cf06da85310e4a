"""HealthCheck: the endpoint proven from outside, once for each start of its engine."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from clore_inference.args import HealthCheckArgs
from clore_inference.on_order import child_of, host_link, part_of
from clore_inference.providers import ProbeProvider
from clore_inference.settings import parsed
from clore_inference.settled import all_settled
from clore_inference.spec import API_PORT, DeploymentSpec


class Probe(Resource, module="clore", name="Probe"):
    """Conformance from outside; its diff looks once and cheaply."""

    proven: pulumi.Output[list[str]]
    """Names of the checks that the endpoint passed."""

    def __init__(
        self,
        name: str,
        target: dict[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(ProbeProvider(), name, {**all_settled(target), "proven": None}, opts)


class HealthCheck(pulumi.ComponentResource):
    """Proves model, instant and deep answers, streaming, a tool call, strict JSON and the key."""

    proven: pulumi.Output[list[str]]
    """Names of the checks that the endpoint passed."""

    def __init__(
        self, name: str, args: HealthCheckArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("clore:index:HealthCheck", name, {}, part_of(opts))
        spec = parsed(args)
        target: dict[str, pulumi.Input[str]] = {
            **_way(spec, args),
            "endpoint_key": pulumi.Output.secret(args["endpoint_key"]),
            "start_id": args["start_id"],
            "usd_per_day": args.get("usd_per_day", "?"),
            "exposure": spec.exposure,
            "model": spec.served_model_name,
        }
        self.proven = Probe(f"{name}-probe", target, child_of(self, opts)).proven
        self.register_outputs({"proven": self.proven})


def _way(spec: DeploymentSpec, args: Mapping[str, Any]) -> dict[str, pulumi.Input[str]]:
    """How the endpoint is reached; a Docker host stands in the order's place."""
    if spec.host == "docker":
        return {
            "order_id": spec.docker_host,
            "docker_host": spec.docker_host,
            "docker_host_key": spec.docker_host_key or "",
            "port": str(spec.docker_port),
        }
    certificate = args.get("certificate")
    trusted = {} if certificate is None else {"certificate": certificate}
    return {
        **host_link(args),
        "http_url": args["http_url"],
        "port": str(API_PORT),
        **trusted,
    }
