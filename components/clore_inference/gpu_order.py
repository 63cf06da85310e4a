"""GpuOrder: the guard and the lease of one accepted host on the Clore.ai marketplace."""

import json
from dataclasses import asdict
from typing import Any, Final

import pulumi
from pulumi.dynamic import Resource

from clore_inference.args import GpuOrderArgs
from clore_inference.lifecycle.repository import wanted_repository
from clore_inference.lifecycle.wanted import host_requirement, order_request
from clore_inference.market.order import HeldOrder
from clore_inference.providers import LeaseGuardProvider, LeaseProvider
from clore_inference.settings import parsed
from clore_inference.settled import all_settled
from clore_inference.spec import API_PORT, SSH_PORT, TLS_PORT


class LeaseGuard(Resource, module="clore", name="LeaseGuard"):
    """In state before any purchase; its delete, the last of all, sweeps the lease's orders."""

    lease_id: pulumi.Output[str]
    """Random id that two of the three marking ports are derived from."""
    account: pulumi.Output[list[str]]
    """Hashes that tell the account; any one of them is enough."""

    def __init__(
        self,
        name: str,
        ports: list[int],
        weights: dict[str, pulumi.Input[Any]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`weights` is the `repository` that must open, and the `hf_token` for it; see its create."""
        props = {"project": pulumi.get_project(), "ports": [str(port) for port in ports]}
        later = {"lease_id": None, "account": None}
        super().__init__(LeaseGuardProvider(), name, {**props, **weights, **later}, opts)


KNOWN_AFTER_ACCEPTANCE: Final = (
    "order_id",
    "server_id",
    "ssh_host",
    "ssh_port",
    "host_key",
    "http_url",
    "usd_per_day",
    "ends_at",
    "down_mbps",
    "disk_mb_per_s",
    "held",
    "lost",
)


class Lease(Resource, module="clore", name="Lease"):
    """One order whose host has proven itself; it stays until it is lost or other GPUs are wanted."""

    order_id: pulumi.Output[str]
    server_id: pulumi.Output[str]
    ssh_host: pulumi.Output[str]
    ssh_port: pulumi.Output[str]
    host_key: pulumi.Output[str]
    """OpenSSH public key line of the host, pinned at acceptance."""
    http_url: pulumi.Output[str]
    """The public name of port 8000, with its scheme."""
    usd_per_day: pulumi.Output[str]
    """USD per day for the whole server, renter fee included."""
    ends_at: pulumi.Output[str]
    """Unix seconds at which the marketplace ends the order."""
    down_mbps: pulumi.Output[str]
    """The host's link as it was measured at acceptance; empty where it was not."""
    disk_mb_per_s: pulumi.Output[str]
    """Its disk as advertised."""
    request: pulumi.Output[str]
    """What was bought, as JSON."""
    held: pulumi.Output[str]
    """What the order is, as JSON."""

    def __init__(
        self,
        name: str,
        wishes: dict[str, pulumi.Input[Any]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        later = dict.fromkeys(KNOWN_AFTER_ACCEPTANCE)
        super().__init__(LeaseProvider(), name, {**all_settled(wishes), **later}, opts)


def _tls_url(held: str) -> str:
    """Where the door is whose TLS ends on the host; raises pulumi.RunError where there is none."""
    order = HeldOrder.model_validate_json(held)
    public = order.tcp_ports.get(TLS_PORT)
    if public is None:
        raise pulumi.RunError(
            f"tls is host, but order {order.order_id} was bought without port {TLS_PORT}, and ports "
            "cannot change later: its endpoint cannot be reached that way. Raise generation, which "
            "builds and proves a successor that has it, or set tls: relay."
        )
    return f"https://{order.ssh_host}:{public}"


class GpuOrder(pulumi.ComponentResource):
    """Rents the topology under a price cap; what it gives is a host that was attested."""

    lease: Lease
    """What everything on the order lives and ends with; see `on_order.goes_with`."""
    order_id: pulumi.Output[str]
    server_id: pulumi.Output[str]
    http_url: pulumi.Output[str]
    usd_per_day: pulumi.Output[str]
    ends_at: pulumi.Output[str]
    image: pulumi.Output[str]
    """What the order was bought with; it stays, whatever engine is wanted later."""

    def __init__(
        self, name: str, args: GpuOrderArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("clore:index:GpuOrder", name, {}, opts)
        spec = parsed(args)
        weights: dict[str, Any] = {}
        if not spec.weights_path:
            weights["repository"] = json.dumps(asdict(wanted_repository(spec)))
        if args.get("hf_token") is not None:
            weights["hf_token"] = pulumi.Output.secret(args["hf_token"])
        proof = {"awaits_proof": "true"} if args.get("awaits_proof") else {}
        mine = pulumi.ResourceOptions(parent=self)
        guard = LeaseGuard(f"{name}-guard", [SSH_PORT, API_PORT], weights | proof, mine)
        request = pulumi.Output.from_input(args["public_key"]).apply(
            lambda public_key: order_request(spec, public_key).model_dump_json()
        )
        self.lease = lease = Lease(
            f"{name}-lease",
            {
                "project": pulumi.get_project(),
                "lease_id": guard.lease_id,
                "account": guard.account,
                "request": request,
                "requirement": host_requirement(spec).model_dump_json(),
                "private_key": pulumi.Output.secret(args["private_key"]),
                **proof,
            },
            pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.order_id, self.server_id = lease.order_id, lease.server_id
        self.ssh_host, self.ssh_port, self.host_key = lease.ssh_host, lease.ssh_port, lease.host_key
        self.http_url, self.usd_per_day = lease.http_url, lease.usd_per_day
        if spec.tls == "host":
            self.http_url = lease.held.apply(_tls_url)
        self.ends_at = lease.ends_at
        self.image = lease.request.apply(lambda text: str(json.loads(text)["image"]))
        self.register_outputs({"orderId": lease.order_id, "usdPerDay": lease.usd_per_day})

    @property
    def link(self) -> dict[str, pulumi.Output[str]]:
        """Arguments of every part on the order: the way onto the host, without its private key."""
        return {
            "order_id": self.order_id,
            "ssh_host": self.ssh_host,
            "ssh_port": self.ssh_port,
            "host_key": self.host_key,
            "usd_per_day": self.usd_per_day,
            "down_mbps": self.lease.down_mbps,
            "disk_mb_per_s": self.lease.disk_mb_per_s,
        }
