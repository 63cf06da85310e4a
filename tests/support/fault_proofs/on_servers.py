"""Faults of servers and of the people around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.emulated import FINE_SERVER, Emulated

from .proof import active, hosts_of, proves


@proves("price_rises_before_order")
def _price_rises(market: Emulated) -> None:
    market.arm(do="price_rises_before_order(10)")
    assert market.create(required_price=35.2).json() == {"code": 1}
    assert market.servers()[FINE_SERVER]["price"]["on_demand"]["USD-Blockchain"] == 38.72


@proves("price_moves")
def _price_moves(market: Emulated) -> None:
    before = market.servers()
    market.arm(do="price_moves")
    after = market.servers()
    moved = [server for server in before if before[server]["price"] != after[server]["price"]]
    assert 0 < len(moved) < len(before) / 4


@proves("someone_rents_first")
def _rival(market: Emulated) -> None:
    market.arm(do="someone_rents_first")
    assert market.create().json()["error"] == "server-already-rented"
    assert market.orders() == []


@proves("server_goes_offline")
def _offline(market: Emulated) -> None:
    market.arm(do="server_goes_offline")
    assert market.create().json()["error"] == "server-offline"


def _truth_of_new_order(market: Emulated, **rule: Any) -> Mapping[str, Any]:
    market.arm(**rule)
    return hosts_of(market).truths[market.buy()]


@proves("never_deploys")
def _never(market: Emulated) -> None:
    assert _truth_of_new_order(market, do="never_deploys")["deploys"] is False
    market.wait(9999)
    assert market.orders()[0]["mon_container"] == 1
    assert len(market.orders()[0]["tcp_ports"]) == 2, "its ports are known, and so is its mark"


@proves("deploys_without_ssh")
def _without_ssh(market: Emulated) -> None:
    truth = _truth_of_new_order(market, do="deploys_without_ssh")
    assert (truth["deploys"], truth["ssh"]) == (True, False)


@proves("proxy_502")
def _proxy_502(market: Emulated) -> None:
    assert _truth_of_new_order(market, do="proxy_502")["http"] == "502"


@proves("proxy_not_found")
def _proxy_not_found(market: Emulated) -> None:
    assert _truth_of_new_order(market, do="proxy_not_found")["http"] == "proxy_not_found"


@proves("server_lies")
def _lies(market: Emulated) -> None:
    truth = _truth_of_new_order(market, do="server_lies(less_memory)")
    assert truth["gpu_memory_mib"] == 40779
    assert market.servers()[FINE_SERVER]["specs"]["gpuram"] == 79, "the row says nothing of it"


@proves("host_disappears")
def _disappears(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="host_disappears")
    (row,) = market.orders()
    assert row["online"] is False
    assert ("disappear", order_id) in hosts_of(market).told
    assert active(market) == [order_id], "it goes on billing"


@proves("host_freezes")
def _freezes(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="host_freezes")
    market.orders()
    assert ("freeze", order_id) in hosts_of(market).told


@proves("container_restarts")
def _restarts(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="container_restarts", order_id=order_id)
    market.orders()
    assert ("restart", order_id) in hosts_of(market).told


def _ended(market: Emulated, name: str) -> tuple[str, str]:
    market.buy()
    market.arm(do=name, nth=2)
    assert len(market.orders()) == 1
    assert market.orders() == [], "it ends at the second listing"
    order = market.ledger()["orders"][0]
    return order["ended_by"], order["end_reason"]


@proves("outbid")
def _outbid(market: Emulated) -> None:
    assert _ended(market, "outbid") == ("stranger", "outbid")
    assert market.servers()[FINE_SERVER]["rented"], "somebody else has it now"


@proves("cancelled_out_of_band")
def _by_hand(market: Emulated) -> None:
    assert _ended(market, "cancelled_out_of_band") == ("human", "by_hand")
    assert market.ledger()["foreign_cancels"] == 0, "the client cancelled nothing"


@proves("ended_by_host")
def _by_host(market: Emulated) -> None:
    assert _ended(market, "ended_by_host") == ("host", "by_host")


@proves("wallet_runs_dry")
def _dry(market: Emulated) -> None:
    market.buy()
    market.arm(do="wallet_runs_dry", on="my_orders")
    assert market.orders() == []
    assert market.ledger()["orders"][0]["end_reason"] == "wallet_dry"
    assert market.create().json()["error"] == "not_enough_balance"
