"""From an order that is listed to a host that is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from clore_inference import units
from clore_inference.errors import Abandoned, CloreInferenceError, HostRejected
from clore_inference.market.client import CACHE_S
from clore_inference.market.gpu_name import counted, squashed
from clore_inference.market.lease import Lease, closed_row, poll_s
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.order import (
    ActiveOrder,
    HeldOrder,
    http_url,
    is_reachable,
    ssh_address,
)
from clore_inference.market.ownership import same_image
from clore_inference.market.price import (
    CREATION_FEE_USD,
    USD,
    exact,
    order_usd_per_day,
    usd_rate,
)
from clore_inference.market.request import OrderRequest
from clore_inference.market.text import plain
from clore_inference.market.wire import Order, as_amount

LEAST_DEADLINE_S: Final = 300.0
"""What an adopted order gets at least: attesting a host that is up takes a minute."""
SAY_EVERY_S: Final = 30.0


Accept = Callable[[ActiveOrder], dict[str, Any]]


def misfit(order: Order, request: OrderRequest, rate: Decimal | None) -> str | None:
    """Return why an order of ours does not serve a request; None if it does.

    Only what cannot change on a running order and is shown by its row; acceptance tests the rest.
    """
    reasons = (
        *_hardware_misfits(order, request),
        *_shape_misfits(order, request),
        above_cap(order, request, rate),
    )
    return next((reason for reason in reasons if reason is not None), None)


def _hardware_misfits(order: Order, request: OrderRequest) -> Iterator[str]:
    specs = order.advertised
    if specs is None:
        yield "its hardware cannot be read"
        return
    gpus = counted(specs.gpu)
    wanted = {squashed(name) for name in request.gpu_names}
    if gpus is None or gpus[0] != request.gpu_count or gpus[1] not in wanted:
        yield f"it has {specs.gpu}, wanted {request.gpu_count}x {request.gpu}"
    if specs.gpuram < request.min_gpu_memory_gb:
        yield f"its GPUs have {specs.gpuram:g} GB, wanted {request.min_gpu_memory_gb:g} GB"


def _shape_misfits(order: Order, request: OrderRequest) -> Iterator[str]:
    if order.image is None or not same_image(order.image, request.image):
        yield f"it runs {plain(order.image or 'nothing')}, wanted {request.image}"
    for port, kind in request.ports.items():
        if kind == "tcp" and port not in order.ports:
            yield f"it lacks port {port}"
    if order.spot is True and request.order_type != "spot":
        yield "it is a spot order, which anybody can outbid, wanted one on demand"


def above_cap(order: Order, request: OrderRequest, rate: Decimal | None) -> str | None:
    """Return why an order's price breaks the cap; None if it holds."""
    if order.currency != request.currency:
        return f"it is billed in {order.currency}, wanted {request.currency}"
    price = order_usd_per_day(order, rate, request.order_type)
    cap = units.usd(request.max_usd_per_day)
    if price is None:
        return f"its price in USD is unknown, cap {cap} a day"
    if price > request.max_usd_per_day:
        return f"it costs {units.usd(price)} a day with fee, above the cap of {cap}"
    return None


def rate_of(market: Marketplace, currency: str) -> Decimal | None:
    """USD for one unit of `currency`; asks the market only where it is not the dollar."""
    if currency == USD:
        return Decimal(1)
    return usd_rate(market.client.marketplace().rows, currency)


@dataclass
class Prover:
    """Waits for an order's ports, then lets `accept` judge its host."""

    market: Marketplace
    lease: Lease
    request: OrderRequest
    accept: Accept
    _said_at: float = float("-inf")

    def prove(self, order: Order) -> HeldOrder:
        """Return the accepted order; raises HostRejected where it must go."""
        rate = rate_of(self.market, self.request.currency)
        too_dear = above_cap(order, self.request, rate)
        if too_dear is not None:
            raise self._rejected(order, "above-cap", too_dear)
        price = order_usd_per_day(order, rate, self.request.order_type)
        if price is None:
            raise AssertionError(order.id)
        active = self._reachable(order, price)
        try:
            accepted = self.accept(active)
        except (HostRejected, Abandoned):
            raise
        except CloreInferenceError:
            self.market.say(
                f"order {active.order_id} on server {active.server_id} is kept and goes on billing "
                f"{units.usd(units.per_hour(price))} an hour; `pulumi up` tries it again, `pulumi "
                "destroy` ends it"
            )
            raise
        return self._held(order, active, accepted)

    def _held(self, order: Order, active: ActiveOrder, accepted: dict[str, Any]) -> HeldOrder:
        fee = CREATION_FEE_USD
        if order.creation_fee is not None and order.currency == USD:
            fee = exact(order.creation_fee)
        return HeldOrder(
            order_id=active.order_id,
            server_id=active.server_id,
            created_at=active.created_at,
            ends_at=active.ends_at,
            usd_per_day=active.usd_per_day,
            creation_fee_usd=fee,
            ssh_host=active.ssh_host,
            ssh_port=active.ssh_port,
            http_url=active.http_url,
            tcp_ports=active.tcp_ports,
            gpu=active.gpu,
            order_type=self.request.order_type,
            disk_mb_per_s=as_amount(active.advertised.get("disk_speed")),
            cap_usd_per_day=self.request.max_usd_per_day,
            accepted=accepted,
        )

    def _reachable(self, order: Order, price: Decimal) -> ActiveOrder:
        """Poll until the listing shows every address, within the deadline."""
        begun = self.market.clock.now()
        listing = self.market.client.orders(max_age_s=CACHE_S)
        deadline = begun + self._allowed_s(order, listing.server_time)
        rounds = 0
        while True:
            row = next((one for one in listing.rows if one.id == order.id), None)
            if row is not None and row.closed:
                raise self._rejected(order, "ended", "the marketplace ended it")
            if row is not None and is_reachable(row, http=self.request.http_port is not None):
                return self._active(row, price, deadline - self.market.clock.now())
            if row is None and closed_row(self.market, order.id) is not None:
                raise self._rejected(order, "ended", "the marketplace ended it")
            now = self.market.clock.now()
            if now >= deadline:
                waited = units.duration(now - begun)
                raise self._rejected(order, "never-deployed", f"no addresses after {waited}")
            self._say_waiting(order, price, now - begun)
            self.market.clock.sleep(poll_s(rounds, deadline - now))
            listing = self.market.client.orders()
            rounds += 1

    def _allowed_s(self, order: Order, server_time: float | None) -> float:
        deadline_s = self.request.deadline_at(order.down_mbps)
        if order.created_at is None or server_time is None:
            return deadline_s
        age = max(0.0, server_time - order.created_at)
        return max(deadline_s - age, min(deadline_s, LEAST_DEADLINE_S))

    def _say_waiting(self, order: Order, price: Decimal, waited_s: float) -> None:
        now = self.market.clock.now()
        if now - self._said_at < SAY_EVERY_S:
            return
        self._said_at = now
        self.market.say(
            f"order {order.id} accepted on server {order.server_id} for {units.usd(price)}/day; "
            f"waiting for its ports ({units.duration(waited_s)})"
        )

    def _active(self, row: Order, price: Decimal, remaining_s: float) -> ActiveOrder:
        ssh = ssh_address(row)
        url = http_url(row) if self.request.http_port is not None else ""
        if ssh is None or url is None:
            raise self._rejected(row, "invalid-address", "it names no valid address")
        if row.created_at is None or row.ends_at is None or row.server_id is None:
            raise self._rejected(row, "invalid-row", "its row names no server, start or term")
        return ActiveOrder(
            order_id=row.id,
            server_id=row.server_id,
            created_at=row.created_at,
            ends_at=row.ends_at,
            usd_per_day=price,
            ssh_host=ssh[0],
            ssh_port=ssh[1],
            http_url=url,
            tcp_ports=row.ports,
            gpu=row.advertised.gpu if row.advertised else self.request.gpu,
            advertised=row.specs,
            remaining_s=remaining_s,
        )

    def _rejected(self, order: Order, reason: str, why: str) -> HostRejected:
        message = f"order {order.id} on server {order.server_id} is not kept: {why}"
        return HostRejected(message, reason=reason)
