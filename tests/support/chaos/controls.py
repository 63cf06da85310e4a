"""Broken protocols as real providers: the harness must catch each, or it is blind.

A class is named in the provider process by its import path; what it breaks is broken there, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from pulumi.dynamic import ConfigureRequest, CreateResult, ResourceProvider

from clore_inference.errors import CloreInferenceError
from clore_inference.host.accept import accept
from clore_inference.host.attest import HostRequirement
from clore_inference.host.login import Login
from clore_inference.lifecycle import guard as guard_module
from clore_inference.lifecycle.lease import KEPT, _outputs
from clore_inference.market import acquire as acquire_module
from clore_inference.market import fence as fence_module
from clore_inference.market import lease as lease_module
from clore_inference.market import observe as observe_module
from clore_inference.market import release as release_module
from clore_inference.market.answers import Answer
from clore_inference.market.lease import Lease, Sighting
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.offers import Offer
from clore_inference.market.order import ActiveOrder
from clore_inference.market.ownership import Mark
from clore_inference.market.proving import Prover
from clore_inference.market.purchase import Purchase
from clore_inference.market.request import OrderRequest
from clore_inference.market.wire import Order
from clore_inference.providers import LeaseGuardProvider, LeaseProvider, Props
from clore_inference.secret import Secret

POSTS: Final = 3
"""How often a widely used client of this API sends a purchase that was not answered."""
FIND_WITHIN_S: Final = 60.0


@dataclass(frozen=True)
class Providers:
    """What a stack's guard and lease are made by."""

    name: str
    guard: ResourceProvider
    lease: ResourceProvider


def _nothing(*_: Any) -> None:
    """Do nothing."""


class IdleGuard(LeaseGuardProvider):
    """A guard whose delete does nothing: plain Pulumi."""

    def delete(self, _id: str, props: Props) -> None:
        """Forget."""


class NaiveLease(LeaseProvider):
    """POST retried, no look before it, the wait inside create, delete swallows its errors."""

    def create(self, props: Props) -> CreateResult:
        """Buy, find the newest order on that server, wait for it."""
        session = self.session
        market = session.marketplace
        request = OrderRequest.model_validate_json(props["request"])
        lease = Lease.of(props["project"], props["lease_id"], props["account"], request.image)
        purchase = Purchase(market, lease, request)
        offer = purchase.choose(market.client.wallets().rows, ())
        for _ in range(POSTS):
            answer = market.client.create_order(purchase._body(offer), lambda: None)
            if answer.outcome != "ambiguous":
                break
        order = _found(market, offer)
        held = Prover(market, lease, request, _attested(props, market)).prove(order)
        return CreateResult(str(order.id), {**{key: props[key] for key in KEPT}, **_outputs(held)})

    def delete(self, _id: str, props: Props) -> None:
        """Cancel once; whatever comes back, it is gone."""
        try:
            self.session.marketplace.client.cancel_order(int(props["order_id"]), lambda: None)
        except CloreInferenceError:
            return


def _found(market: Marketplace, offer: Offer) -> Order:
    until = market.clock.now() + FIND_WITHIN_S
    while market.clock.now() < until:
        rows = [one for one in market.client.orders().rows if one.server_id == offer.server.id]
        if rows:
            return max(rows, key=lambda one: one.id)
        market.clock.sleep(5)
    message = "the order did not show up"
    raise CloreInferenceError(message)


def _attested(props: Props, market: Marketplace) -> Callable[[ActiveOrder], dict[str, Any]]:
    requirement = HostRequirement.model_validate_json(props["requirement"])

    def judge(order: ActiveOrder) -> dict[str, Any]:
        login = Login(order.ssh_host, order.ssh_port, private_key=Secret(props["private_key"]))
        clock, left = market.clock, order.remaining_s
        return accept(login, requirement, clock=clock, deadline_s=left, say=_nothing)

    return judge


class BlindLease(LeaseProvider):
    """Without reconcile-first: buys without having looked whether there is one."""

    def configure(self, req: ConfigureRequest) -> None:
        super().configure(req)
        acquire_module._Acquisition.reconcile = _nothing  # type: ignore[method-assign,assignment]
        Purchase.post = _blind_post  # type: ignore[method-assign]


def _blind_post(self: Purchase, offer: Offer) -> Answer | Sighting:
    nothing = Sighting(self.market.clock.now(), None, (), (), (), None)
    answer = self.market.client.create_order(
        self._body(offer), lambda: self._last_look(offer, nothing)
    )
    self._note(offer, answer, nothing)
    return answer


class UnfencedLease(LeaseProvider):
    """Without the fence: buys for an engine that is gone."""

    def configure(self, req: ConfigureRequest) -> None:
        super().configure(req)
        fence_module.Fence.check = _nothing  # type: ignore[method-assign,assignment]


class _Natural:
    def configure(self, req: ConfigureRequest) -> None:
        super().configure(req)  # type: ignore[misc]
        for module in (lease_module, observe_module, release_module):
            module.carries = _looks_like_ours  # type: ignore[attr-defined]


def _looks_like_ours(order: Order, _: Mark) -> bool:
    return (order.image or "").startswith("vllm/")


class NaturalGuard(_Natural, LeaseGuardProvider):
    """What runs our image is ours."""


class NaturalLease(_Natural, LeaseProvider):
    """What runs our image is ours."""


class DerivedGuard(LeaseGuardProvider):
    """The lease id follows from the project's name, as it would in every clone of it."""

    def configure(self, req: ConfigureRequest) -> None:
        super().configure(req)
        guard_module.draw_lease_id = _derived  # type: ignore[attr-defined,assignment]


def _derived(project: str, ports: Iterable[int]) -> str:
    del ports
    return f"{project}-test".encode().hex()


class _Believing:
    def configure(self, req: ConfigureRequest) -> None:
        super().configure(req)  # type: ignore[misc]
        release_module.closed_row = _gone  # type: ignore[attr-defined,assignment]
        lease_module.closed_row = _gone  # type: ignore[assignment]


def _gone(_: Marketplace, order_id: int) -> Order:
    return Order(id=order_id, expired=True)


class BelievingGuard(_Believing, LeaseGuardProvider):
    """What is not listed is gone."""


class BelievingLease(_Believing, LeaseProvider):
    """What is not listed is gone."""


REAL: Final = Providers("the protocol", LeaseGuardProvider(), LeaseProvider())
NAIVE: Final = Providers("naive client", IdleGuard(), NaiveLease())
NO_GUARD: Final = Providers("no guard", IdleGuard(), LeaseProvider())
NO_RECONCILE: Final = Providers("no reconcile-first", LeaseGuardProvider(), BlindLease())
NO_FENCE: Final = Providers("no fence", LeaseGuardProvider(), UnfencedLease())
NATURAL: Final = Providers("natural key", NaturalGuard(), NaturalLease())
DERIVED: Final = Providers("derived tag", DerivedGuard(), LeaseProvider())
BELIEVING: Final = Providers("absence read as gone", BelievingGuard(), BelievingLease())
