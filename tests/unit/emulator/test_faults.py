"""Every fault of the table does what its sentence says, and the documentation has it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from clore_emulator.api.known import signature
from clore_emulator.api.reply import ConnectionDropped
from clore_emulator.faults import REGISTRY, Fault
from clore_emulator.lodging import NoHosts
from clore_emulator.seams import HostAddress
from support.emulated import FINE_SERVER, Emulated, emulated

Proof = Callable[[Emulated], None]
PROOFS: Final[dict[str, Proof]] = {}
DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "emulator.md"


def proves(name: str) -> Callable[[Proof], Proof]:
    def enter(proof: Proof) -> Proof:
        assert name not in PROOFS, f"{name} is proven twice"
        PROOFS[name] = proof
        return proof

    return enter


class RecordingHosts(NoHosts):
    """Hosts that only note what they were told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int]] = []
        self.truths: dict[int, Mapping[str, Any]] = {}

    async def start(self, order: dict[str, Any], server: dict[str, Any]) -> HostAddress:
        self.truths[order["id"]] = server["truth"]
        return await super().start(order, server)

    async def stop(self, order_id: int) -> None:
        self.told.append(("stop", order_id))
        await super().stop(order_id)

    async def disappear(self, order_id: int) -> None:
        self.told.append(("disappear", order_id))

    def freeze(self, order_id: int) -> None:
        self.told.append(("freeze", order_id))

    async def restart_container(self, order_id: int) -> None:
        self.told.append(("restart", order_id))

    async def bring_back(self, orders: Sequence[dict[str, Any]]) -> Mapping[int, HostAddress]:
        return await super().bring_back(orders)


@pytest.fixture
def market() -> Iterator[Emulated]:
    with emulated(hosts=RecordingHosts()) as opened:
        yield opened


def hosts_of(market: Emulated) -> RecordingHosts:
    hosts = market.world.lodging.hosts
    assert isinstance(hosts, RecordingHosts)
    return hosts


def active(market: Emulated) -> list[int]:
    return [order["id"] for order in market.ledger()["active_orders"]]


def test_every_registered_fault_is_proven_here() -> None:
    assert set(PROOFS) == set(REGISTRY)


def documented(fault: Fault) -> str:
    """The row of a fault in the user's page."""
    phase = "any" if fault.any_phase else fault.phase
    parameters = ", ".join(f"{one.name} = {one.default}" for one in fault.parameters)
    return f"| `{signature(fault)}` | {phase} | {fault.summary} | {parameters} |"


def test_every_registered_fault_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    missing = [row for fault in REGISTRY.values() if (row := documented(fault)) not in text]
    assert missing == [], "docs/emulator.md has one row for every fault; add these"


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_fault(name: str, market: Emulated) -> None:
    PROOFS[name](market)
    fired = {fault for entry in market.world.exchange.ledger.requests for fault in entry.faults}
    assert name in fired, "the request log names the fault"


@proves("accept_then_drop_connection")
def _accepted_and_dropped(market: Emulated) -> None:
    market.arm(do="accept_then_drop_connection", on="create_order")
    with pytest.raises(ConnectionDropped):
        market.create()
    assert len(active(market)) == 1, "the order exists although no answer came"


@proves("accept_then_hang")
def _accepted_and_hung(market: Emulated) -> None:
    market.arm(do="accept_then_hang", on="create_order")
    with pytest.raises(ConnectionDropped):
        market.create()
    assert len(active(market)) == 1


@proves("drop_before_handling")
def _dropped(market: Emulated) -> None:
    market.arm(do="drop_before_handling", on="create_order")
    with pytest.raises(ConnectionDropped):
        market.create()
    assert active(market) == [], "nothing was bought"


@proves("hang_before_handling")
def _hung(market: Emulated) -> None:
    market.arm(do="hang_before_handling", on="create_order")
    with pytest.raises(ConnectionDropped):
        market.create()
    assert active(market) == []


@proves("code1_but_accepted")
def _code1_accepted(market: Emulated) -> None:
    market.arm(do="code1_but_accepted", on="create_order")
    answer = market.create()
    assert (answer.status_code, answer.json()) == (500, {"code": 1})
    assert len(active(market)) == 1


@proves("code1_and_nothing_done")
def _code1(market: Emulated) -> None:
    market.arm(do="code1_and_nothing_done", on="create_order")
    assert market.create().json() == {"code": 1}
    assert active(market) == []


@proves("http500_but_accepted")
def _http500(market: Emulated) -> None:
    market.arm(do="http500_but_accepted", on="create_order")
    answer = market.create()
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert len(active(market)) == 1


@proves("http502_html")
def _http502(market: Emulated) -> None:
    market.arm(do="http502_html", on="create_order")
    answer = market.create()
    assert answer.status_code == 502
    assert "<html>" in answer.text
    assert active(market) == []
    market.arm(do="http502_html", on="create_order", phase="after_commit")
    assert market.create().status_code == 502
    assert len(active(market)) == 1


@proves("answer_ok_without_order_id")
def _without_id(market: Emulated) -> None:
    market.arm(do="answer_ok_without_order_id")
    assert market.create().json() == {"code": 0}


@proves("answer_ok_with_order_id")
def _with_id(market: Emulated) -> None:
    market.arm(do="answer_ok_with_order_id")
    answer = market.create().json()
    assert answer == {"order": {"id": active(market)[0]}, "code": 0}
    market.arm(do="answer_ok_with_order_id", as_text=True)
    answer = market.create(98008).json()
    assert answer["order"]["id"] == str(active(market)[1])


@proves("answer_garbage")
def _garbage(market: Emulated) -> None:
    market.arm(do="answer_garbage", on="create_order")
    assert market.create().text == '{"code":'
    assert len(active(market)) == 1


@proves("answer_wrong_type")
def _wrong_type(market: Emulated) -> None:
    market.arm(do="answer_wrong_type", on="my_orders")
    assert market.get("/v1/my_orders").json() == []


@proves("refuse_with")
def _refused(market: Emulated) -> None:
    market.arm(do="refuse_with(no-such-word)", on="create_order")
    assert market.create().json() == {"error": "no-such-word", "code": 6}
    assert active(market) == []


@proves("rate_limit_storm")
def _storm(market: Emulated) -> None:
    market.arm(do="rate_limit_storm(2)")
    codes = [market.get("/v1/wallets").json()["code"] for _ in range(3)]
    assert codes == [5, 5, 0]
    assert market.ledger()["violations"] == 0, "an invented refusal is no violation"


@proves("key_revoked")
def _revoked(market: Emulated) -> None:
    rule = market.arm(do="key_revoked", account="renter")
    assert market.get("/v1/wallets").json() == {"code": 3}
    assert market.get("/v1/my_orders").json() == {"code": 3}
    market.admin("DELETE", f"/faults/{rule}")
    assert market.get("/v1/wallets").json()["code"] == 0


@proves("user_agent_blocked")
def _blocked(market: Emulated) -> None:
    market.arm(do="user_agent_blocked", on="marketplace")
    assert market.get("/v1/marketplace").status_code == 403


@proves("cancel_lies")
def _cancel_lies(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="cancel_lies(2)")
    assert [market.cancel(order_id).json() for _ in range(2)] == [{"code": 0}] * 2
    assert active(market) == [order_id]
    market.cancel(order_id)
    assert active(market) == []


@proves("cancel_fails")
def _cancel_fails(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="cancel_fails")
    assert market.cancel(order_id).json() == {"code": 1}
    assert active(market) == [order_id]


@proves("cancel_fails_but_applied")
def _cancel_applied(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="cancel_fails_but_applied")
    assert market.cancel(order_id).json() == {"code": 1}
    assert active(market) == []


@proves("list_fails")
def _list_fails(market: Emulated) -> None:
    market.arm(do="list_fails(2)")
    assert [market.get("/v1/my_orders").json()["code"] for _ in range(3)] == [1, 1, 0]


@proves("list_lags_by")
def _list_lags(market: Emulated) -> None:
    market.arm(do="list_lags_by(20)")
    market.buy()
    market.wait(13)
    assert market.orders() == [], "19 s after the creation"
    assert len(market.orders()) == 1


@proves("ports_lag_by")
def _ports_lag(market: Emulated) -> None:
    market.arm(do="ports_lag_by", seconds=20)
    market.buy()
    assert market.orders()[0]["tcp_ports"] == []
    market.wait(20)
    assert len(market.orders()[0]["tcp_ports"]) == 2


@proves("list_is_empty_after_error")
def _empty_after_error(market: Emulated) -> None:
    market.buy()
    market.arm(do="list_is_empty_after_error")
    assert market.get("/v1/my_orders").json() == {"code": 1}
    assert market.orders() == []
    assert len(market.orders()) == 1


@proves("list_is_empty")
def _empty(market: Emulated) -> None:
    market.buy()
    market.arm(do="list_is_empty", on="my_orders")
    assert market.orders() == []
    assert len(market.orders()) == 1


@proves("list_is_partial")
def _partial(market: Emulated) -> None:
    first, _ = market.buy(), market.buy(98008)
    market.arm(do="list_is_partial", on="my_orders")
    assert [row["id"] for row in market.orders()] == [first], "the newest is missing"


@proves("list_forgets_order")
def _forgotten(market: Emulated) -> None:
    first, second = market.buy(), market.buy(98008)
    market.arm(do="list_forgets_order", order_id=first)
    assert [row["id"] for row in market.orders(completed=True)] == [second]
    market.arm(do="list_forgets_order")
    assert market.orders() == []


@proves("marketplace_garbage")
def _market_garbage(market: Emulated) -> None:
    market.arm(do="marketplace_garbage")
    rows = market.get("/v1/marketplace").json()["servers"]
    assert None in rows
    assert any(isinstance(row, dict) and row.get("id") == FINE_SERVER for row in rows)


@proves("field_becomes_string")
def _string(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="field_becomes_string(id)", on="my_orders")
    assert market.orders()[0]["id"] == str(order_id)
    market.arm(do="field_becomes_string", field="specs.gpuram", on="marketplace")
    assert market.servers()[FINE_SERVER]["specs"]["gpuram"] == "79"


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


@contextmanager
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, which does nothing until it is ended."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        yield process
        process.kill()


@proves("kill")
def _kill(market: Emulated) -> None:
    with victim() as one:
        market.arm(do="kill", pid=one.pid, on="create_order", phase="after_commit")
        with pytest.raises(ConnectionDropped):
            market.create()
        assert one.wait(timeout=10) == -signal.SIGKILL
    assert len(active(market)) == 1, "killed between commit and answer: the order exists"
    with victim() as one:
        market.arm(do="kill", pgid=one.pid, on="create_order")
        with pytest.raises(ConnectionDropped):
            market.create(98008)
        assert one.wait(timeout=10) == -signal.SIGKILL
    assert len(active(market)) == 1, "killed before: the market never got the request"
    with victim() as one:
        market.arm(do="kill", pid=one.pid, on="create_order", phase="after_answer")
        assert market.create(98008).json() == {"code": 0}
        assert one.wait(timeout=10) == -signal.SIGKILL


def test_the_kill_hook_never_ends_the_emulator_or_the_whole_machine(market: Emulated) -> None:
    for target in ({"pid": os.getpid()}, {"pid": 1}, {"pid": 0}, {"pgid": os.getpgrp()}):
        market.arm(do="kill", on="wallets", **target)
        with pytest.raises(ConnectionDropped):
            market.get("/v1/wallets")


@proves("pause")
def _pause(market: Emulated) -> None:
    market.arm(do="pause", name="here", on="create_order", phase="after_commit")
    portal = market.client.portal
    assert portal is not None
    waiting = portal.start_task_soon(asyncio.to_thread, market.create)
    while not market.admin("GET", "")["paused"]:
        pass
    assert len(active(market)) == 1, "held between commit and answer"
    assert not waiting.done()
    assert market.admin("POST", "/release", {"name": "here"}) == {"released": 1}
    assert waiting.result(timeout=10).json() == {"code": 0}


@proves("delay")
def _delay(market: Emulated) -> None:
    market.arm(do="delay(0)", on="wallets")
    assert market.get("/v1/wallets").json()["code"] == 0
