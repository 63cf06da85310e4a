"""The admin API: the judge, the clock, and the other people of the market."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clore_emulator.lodging import NoHosts
from support.emulated import FINE_SERVER, KEYS, Emulated, emulated


@pytest.fixture
def market() -> Iterator[Emulated]:
    with emulated() as opened:
        yield opened


def test_the_ledger_judges_every_request(market: Emulated) -> None:
    order_id = market.buy()
    market.cancel(order_id)
    market.get("/v1/marketplace", key=None)
    ledger = market.ledger(requests=True)
    assert (ledger["requests"], ledger["posts"], ledger["creates"], ledger["cancels"]) == (
        3,
        2,
        1,
        1,
    )
    log = [(entry["path"], entry["account"], entry["order_id"]) for entry in ledger["request_log"]]
    assert log == [
        ("/v1/create_order", "renter", order_id),
        ("/v1/cancel_order", "renter", order_id),
        ("/v1/marketplace", None, None),
    ]
    assert ledger["spent_usd"] == pytest.approx(0.1 + 35.2 * 1.05 * 6 / 86400, abs=1e-6)


def test_an_advanced_clock_ends_what_is_over(market: Emulated) -> None:
    market.buy()
    now = market.admin("GET", "/clock")["now"]
    assert market.admin("POST", "/clock", {"advance": 168 * 3600})["now"] == now + 168 * 3600
    ledger = market.ledger()
    assert ledger["active_orders"] == []
    assert ledger["orders"][0]["end_reason"] == "term_over"


def test_a_stranger_rents_a_server_through_the_admin(market: Emulated) -> None:
    order = market.admin("POST", "/rent", {"server_id": FINE_SERVER, "account": "stranger"})
    assert (order["account"], order["made_by"]) == ("stranger", "human")
    assert market.create().json()["error"] == "server-already-rented"
    assert market.orders() == []
    ledger = market.ledger()
    assert (ledger["posts"], ledger["creates"]) == (1, 1), "what people do is no request"


def test_cancelling_what_a_human_rented_on_our_account_is_foreign(market: Emulated) -> None:
    order = market.admin("POST", "/rent", {"server_id": FINE_SERVER, "account": "renter"})
    assert [row["id"] for row in market.orders()] == [order["id"]]
    market.cancel(order["id"])
    assert market.ledger()["foreign_cancels"] == 1


def test_people_end_orders(market: Emulated) -> None:
    ends = {}
    for path, server_id in (("/cancel", FINE_SERVER), ("/outbid", 98008), ("/end_by_host", 98015)):
        order_id = market.buy(server_id)
        ends[path] = market.admin("POST", path, {"order_id": order_id})["end_reason"]
    assert ends == {"/cancel": "by_hand", "/outbid": "outbid", "/end_by_host": "by_host"}


def test_a_lost_host_goes_on_billing_without_a_machine(market: Emulated) -> None:
    order_id = market.buy()
    market.admin("POST", f"/hosts/{order_id}/lose", {})
    (host,) = market.admin("GET", "/hosts")
    assert host["lost"] is True
    assert market.orders()[0]["online"] is False
    assert market.ledger()["burn_usd_per_day"] == 36.96


def test_hosts_can_be_frozen_thawed_and_restarted(market: Emulated) -> None:
    order_id = market.buy()
    for path in ("freeze", "thaw", "restart"):
        assert market.admin("POST", f"/hosts/{order_id}/{path}", {})["id"] == order_id


def test_engine_faults_reach_hosts_that_are_there_and_that_come() -> None:
    told: dict[int, str] = {}

    class Listening(NoHosts):
        def set_engine_faults(self, order_id: int, document: str) -> None:
            told[order_id] = document

    with emulated(hosts=Listening()) as market:
        first = market.buy()
        market.admin("POST", "/engine_faults", ["drops_reasoning"])
        second = market.buy(98008)
        market.admin("POST", f"/hosts/{first}/engine_faults", [])
        answer = market.client.post("/_admin/engine_faults", json=["drops_reason"])
    assert answer.status_code == 400, "an engine fault that does not exist is refused"
    assert told == {first: "[]", second: '["drops_reasoning"]'}


def test_wallets_accounts_and_keys_can_be_changed(market: Emulated) -> None:
    market.admin("POST", "/accounts", {"name": "third", "deposits": {"USD-Blockchain": "5"}})
    key = market.admin("POST", "/keys", {"account": "third", "name": "laptop"})["key"]
    (wallet,) = market.get("/v1/wallets", key=key).json()["wallets"]
    assert wallet["balance"] == 5
    market.admin("POST", "/wallets", {"account": "third", "balance": "7.5"})
    assert market.get("/v1/wallets", key=key).json()["wallets"][0]["balance"] == 7.5
    market.admin("DELETE", "/keys", {"account": "third", "name": "laptop"})
    assert market.get("/v1/wallets", key=key).json() == {"code": 3}


def test_servers_show_their_truth_to_the_admin_and_can_be_changed(market: Emulated) -> None:
    market.admin("POST", f"/servers/{FINE_SERVER}", {"lie": "fewer_gpus", "factor": 2})
    rows = {row["id"]: row for row in market.admin("GET", "/servers")}
    assert rows[FINE_SERVER]["truth"]["gpu_count"] == 2
    assert rows[FINE_SERVER]["price"]["on_demand"]["USD-Blockchain"] == 70.4
    market.admin("POST", f"/servers/{FINE_SERVER}", {"rented": True})
    assert market.create().json()["error"] == "server-already-rented"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/cancel", {"order_id": 1}, 404),
        ("/wallets", {"account": "nobody", "balance": 1}, 404),
        ("/wallets", {"account": "renter", "currency": "EUR", "balance": 1}, 404),
        ("/servers/1", {"rented": True}, 404),
        (f"/servers/{FINE_SERVER}", {"lie": "small"}, 400),
        ("/clock", {"advance": -1}, 400),
        ("/faults", {"do": "nothing"}, 400),
        ("/profile", {"name": "angry"}, 400),
        ("/rent", {"server_id": 1}, 400),
        ("/rent", {"server_id": FINE_SERVER, "type": "rent"}, 400),
        ("/accounts", {"name": "renter"}, 400),
    ],
    ids=str,
)
def test_what_cannot_be_done_says_why(
    market: Emulated, path: str, body: dict[str, object], status: int
) -> None:
    answer = market.client.post(f"/_admin{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_web_page_cannot_reach_the_admin_with_a_simple_request(market: Emulated) -> None:
    answer = market.client.post(
        "/_admin/faults", content='{"do":"key_revoked"}', headers={"content-type": "text/plain"}
    )
    assert answer.status_code == 400
    assert market.admin("GET", "/faults") == []
    assert market.client.post("/_admin/release").status_code == 400


def test_an_unknown_admin_call_says_so(market: Emulated) -> None:
    answer = market.client.put("/_admin/ledger")
    assert answer.status_code == 404
    assert "there is no admin call PUT /_admin/ledger" in answer.json()["error"]


def test_orders_wallets_and_time_survive_a_restart(tmp_path: Path) -> None:
    with emulated(state=tmp_path) as market:
        order_id = market.buy()
        market.admin("POST", f"/servers/{98008}", {"factor": 2, "lie": "old_driver"})
        market.wait(600)
        before = market.ledger()
    with emulated(state=tmp_path) as market:
        after = market.ledger()
        assert after["now"] >= before["now"], "time never goes back"
        assert after["orders"][0]["cost_usd"] == before["orders"][0]["cost_usd"]
        (row,) = market.orders()
        assert row["id"] == order_id
        assert len(row["tcp_ports"]) == 2, "its host is back"
        servers = {row["id"]: row for row in market.admin("GET", "/servers")}
        assert servers[98008]["lie"] == "old_driver"
        assert market.cancel(order_id).json() == {"code": 0}


def test_no_file_of_the_state_has_an_api_key(tmp_path: Path) -> None:
    with emulated(state=tmp_path) as market:
        market.buy()
        market.get(f"/v1/wallets?auth={KEYS['renter']}")
        market.get("/v1/wallets", key="w" * 32)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"ledger.jsonl", "access.log"}
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert '"path": "/v1/create_order"' in text
    assert KEYS["renter"] not in text
    assert "w" * 32 not in text
