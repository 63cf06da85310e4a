"""Faults of servers and of the people around them: prices, lies, rivals, hands."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Final

from clore_emulator.answer import Answer
from clore_emulator.market import LIES

from .call import Call
from .registry import Firing, Parameter, fault

MOVED_SHARE: Final = 0.05
"""Share of the servers whose price moves at one listing."""

_ORDER = Parameter("order_id", int, None, "the order; without it the caller's newest")


def _factor(percent: float) -> Decimal:
    return 1 + Decimal(str(percent)) / 100


@fault(
    "price_rises_before_order",
    "The price of the wanted server rises between the listing and the order.",
    on=("create_order",),
    parameters=(Parameter("percent", float, 20.0, "by how much"),),
)
async def _price_rises(call: Call, firing: Firing) -> Answer | None:
    if call.server_id is not None:
        call.exchange.move_price(call.server_id, _factor(firing.number("percent")))
    return None


@fault(
    "price_moves",
    "At each listing of the market, some prices move up or down.",
    on=("marketplace",),
    parameters=(Parameter("percent", float, 8.0, "the largest single move"),),
    times=None,
)
async def _price_moves(call: Call, firing: Firing) -> Answer | None:
    exchange, percent = call.exchange, firing.number("percent")
    draw = random.Random(f"{exchange.seed}:moves:{firing.fired_before}")  # noqa: S311 - seeded
    for server_id in exchange.market.rows:
        if draw.random() < MOVED_SHARE:
            exchange.move_price(server_id, _factor(draw.uniform(-percent, percent)))
    return None


@fault(
    "someone_rents_first",
    "A stranger rents the wanted server just before the order.",
    on=("create_order",),
)
async def _someone_rents_first(call: Call, _firing: Firing) -> Answer | None:
    if call.server_id is not None:
        call.exchange.change_server(call.server_id, rented=True)
    return None


@fault(
    "server_goes_offline",
    "The wanted server goes offline just before the order.",
    on=("create_order",),
)
async def _server_goes_offline(call: Call, _firing: Firing) -> Answer | None:
    if call.server_id is not None:
        call.exchange.change_server(call.server_id, offline=True)
    return None


def _lying(name: str, summary: str) -> None:
    @fault(name, summary, on=("create_order",))
    async def _lie(call: Call, _firing: Firing) -> Answer | None:
        call.tweaks.lie = name
        return None


_lying("never_deploys", "The order is accepted and bills, but its container never starts.")
_lying("deploys_without_ssh", "The container starts, but nothing answers on SSH.")
_lying("proxy_502", "The host works, but its public name answers 502 for ever.")
_lying("proxy_not_found", "The host works, but its public name shows 'Proxy Not Found'.")


@fault(
    "server_lies",
    "The machine is less than its row says; which lie is one of `clore-emulator faults --lies`.",
    on=("create_order",),
    parameters=(Parameter("lie", str, "fewer_gpus", " | ".join(LIES)),),
)
async def _server_lies(call: Call, firing: Firing) -> Answer | None:
    call.tweaks.lie = firing.text("lie")
    return None


@fault(
    "host_disappears",
    "The machine of an order vanishes; the order stays active and goes on billing.",
    on=("my_orders",),
    parameters=(_ORDER,),
)
async def _host_disappears(call: Call, firing: Firing) -> Answer | None:
    order = call.order(firing.args["order_id"])
    if order is not None:
        call.exchange.lose_host(order)
    return None


@fault(
    "host_freezes",
    "The machine of an order hangs: connections are taken and never answered.",
    on=("my_orders",),
    parameters=(_ORDER,),
)
async def _host_freezes(call: Call, firing: Firing) -> Answer | None:
    order = call.order(firing.args["order_id"])
    if order is not None:
        call.hosts.freeze(order.id)
    return None


@fault(
    "container_restarts",
    "The container of an order restarts: what ran on it ends, its files stay.",
    on=("my_orders",),
    parameters=(_ORDER,),
)
async def _container_restarts(call: Call, firing: Firing) -> Answer | None:
    order = call.order(firing.args["order_id"])
    if order is not None:
        await call.hosts.restart_container(order.id)
    return None


@fault(
    "outbid",
    "A stranger bids more and gets the server: the order ends.",
    on=("my_orders",),
    parameters=(_ORDER,),
)
async def _outbid(call: Call, firing: Firing) -> Answer | None:
    order = call.order(firing.args["order_id"])
    if order is not None:
        call.exchange.outbid(order)
    return None


@fault(
    "cancelled_out_of_band",
    "The account's owner ends an order by hand, in the web page.",
    on=("my_orders",),
    parameters=(_ORDER,),
)
async def _cancelled_out_of_band(call: Call, firing: Firing) -> Answer | None:
    order = call.order(firing.args["order_id"])
    if order is not None:
        call.exchange.end(order, by="human", reason="by_hand")
    return None


@fault(
    "ended_by_host",
    "The host's owner ends an order, as Clore allows even for on-demand orders.",
    on=("my_orders",),
    parameters=(_ORDER,),
)
async def _ended_by_host(call: Call, firing: Firing) -> Answer | None:
    order = call.order(firing.args["order_id"])
    if order is not None:
        call.exchange.end(order, by="host", reason="by_host")
    return None


@fault(
    "wallet_runs_dry",
    "The caller's wallets are emptied: running orders end, new ones are refused.",
    on=("wallets", "my_orders", "create_order"),
)
async def _wallet_runs_dry(call: Call, _firing: Firing) -> Answer | None:
    if call.account is not None:
        call.exchange.empty_wallets(call.account)
    return None
