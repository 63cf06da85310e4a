"""The renter's endpoints answer in the shapes and with the awkwardness of the real API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from clore_emulator.exchange import Lags
from support.emulated import FINE_SERVER, KEYS, OPENED_AT, Emulated, emulated


@pytest.fixture
def market() -> Iterator[Emulated]:
    with emulated() as opened:
        yield opened


def test_create_answers_a_bare_code_without_an_order_id(market: Emulated) -> None:
    answer = market.create()
    assert (answer.status_code, answer.json()) == (200, {"code": 0})


def test_an_order_row_has_the_recorded_fields_and_echoes_no_request(market: Emulated) -> None:
    order_id = market.buy()
    (row,) = market.orders()
    assert row["id"] == order_id
    assert row["si"] == FINE_SERVER
    assert row["ct"] == int(OPENED_AT) + 6
    assert (row["price"], row["creation_fee"]) == (35.2, 0.1)
    assert row["mrl"] == 168 * 3600, "an order's mrl is in seconds"
    assert row["pub_cluster"] == ["127.0.0.1"]
    assert row["http_port"] == "8000"
    assert row["http_pub"].startswith("127.0.0.1:"), "the public name has no scheme"
    inside = [entry.split(":")[0] for entry in row["tcp_ports"]]
    assert inside == ["22", "30001"], "every requested TCP port is echoed, the http port is not"
    for word in ("env", "ports", "command", "ssh_key", "status", "renting_server"):
        assert word not in row, f"the real API never shows {word}"


def test_a_marketplace_row_counts_its_term_in_hours(market: Emulated) -> None:
    row = market.servers()[FINE_SERVER]
    assert row["mrl"] == 168
    assert row["price"]["on_demand"]["USD-Blockchain"] == 35.2
    assert row["specs"]["gpu"] == "4x NVIDIA H100 80GB HBM3"
    assert not row["rented"]
    market.buy()
    assert market.servers()[FINE_SERVER]["rented"], "a rented server stays listed"


def test_no_listing_tells_what_a_machine_really_is(market: Emulated) -> None:
    market.buy()
    text = market.get("/v1/marketplace").text + market.get("/v1/my_orders").text
    assert "truth" not in text
    assert "lie" not in text


def test_a_closed_order_loses_its_ports_and_moves_to_the_completed_list(market: Emulated) -> None:
    order_id = market.buy()
    market.cancel(order_id)
    assert market.orders() == []
    (row,) = market.orders(completed=True)
    assert row["expired"] is True
    assert row["order_end"] == int(OPENED_AT) + 12
    assert row["tcp_ports"] == []
    assert row["online"] is True, "online is the server's connectivity, not the order's"
    assert "pub_cluster" not in row
    assert "http_pub" not in row


def test_cancelling_takes_an_id_as_text_and_an_issue(market: Emulated) -> None:
    order_id = market.buy()
    answer = market.post("/v1/cancel_order", {"id": str(order_id), "issue": "slow"})
    assert answer.json() == {"code": 0}
    assert market.ledger()["active_orders"] == []


def test_the_listing_lags_behind_creation_and_end() -> None:
    lags = Lags(visible_s=(10, 10), ports_s=(5, 5), deployed_s=(20, 20), end_visible_s=(4, 4))
    with emulated(lags=lags) as market:
        market.pause_s = 2.0
        order_id = market.buy()
        assert market.orders() == [], "an accepted order is not listed yet"
        market.wait(8)
        (row,) = market.orders()
        assert (row["tcp_ports"], row["mon_container"]) == ([], 0), "a young row has no ports"
        market.wait(5)
        (row,) = market.orders()
        assert (len(row["tcp_ports"]), row["mon_container"]) == (2, 1)
        market.wait(20)
        assert market.orders()[0]["mon_container"] == 2
        market.cancel(order_id)
        assert [row["id"] for row in market.orders()] == [order_id], "a cancelled order lingers"
        market.wait(4)
        assert market.orders() == []


def test_the_date_header_is_virtual_time(market: Emulated) -> None:
    answer = market.get("/v1/wallets")
    assert answer.headers["date"] == "Mon, 21 Sep 2026 14:13:26 GMT"


@pytest.mark.parametrize(
    ("headers", "key"),
    [({}, "x" * 32), ({}, None), ({"authorization": f"Bearer {KEYS['renter']}"}, None)],
    ids=["unknown key", "no key", "wrong header"],
)
def test_a_wrong_key_or_header_is_code_3(
    market: Emulated, headers: dict[str, str], key: str | None
) -> None:
    answer = market.get("/v1/my_orders", key=key, headers=headers)
    assert answer.json() == {"code": 3}


def test_the_marketplace_needs_no_key(market: Emulated) -> None:
    assert market.get("/v1/marketplace", key=None).json()["code"] == 0


def test_an_unknown_endpoint_is_code_4(market: Emulated) -> None:
    assert market.get("/v1/orders").json() == {"code": 4}
    assert market.get("/v1/create_order").json() == {"code": 4}, "so is the wrong verb"


def test_the_client_name_of_urllib_is_turned_away_by_cloudflare(market: Emulated) -> None:
    answer = market.get("/v1/marketplace", headers={"user-agent": "Python-urllib/3.12"})
    assert (answer.status_code, answer.text) == (403, "error code: 1010")


@pytest.mark.parametrize(
    "changes",
    [
        {"surprise": 1},
        {"renting_server": str(FINE_SERVER)},
        {"renting_server": True},
        {"renting_server": 1},
        {"type": "on_demand"},
        {"ports": {"22": "udp"}},
        {"ports": {"0": "tcp"}},
        {"ports": {"70000": "tcp"}},
        {"ports": {"80": "http", "8000": "http"}},
        {"ports": ["22"]},
        {"env": {"A": 1}},
        {"autossh_entrypoint": "true"},
        {"required_price": "35.2"},
        {"ssh_password": "p" * 33},
        {"ssh_key": "k" * 3073},
        {"spotprice": 1.0},
        {"image": ""},
        {"currency": "USD"},
        {"image": None},
    ],
    ids=str,
)
def test_unknown_fields_and_wrong_types_are_code_2(
    market: Emulated, changes: dict[str, Any]
) -> None:
    assert market.create(**changes).json() == {"code": 2}
    assert market.ledger()["active_orders"] == []


def test_a_body_that_is_no_json_is_code_2(market: Emulated) -> None:
    answer = market.call("POST", "/v1/create_order", content=b"renting_server=1")
    assert answer.json() == {"code": 2}


def test_an_ampersand_in_an_environment_value_is_a_database_error(market: Emulated) -> None:
    answer = market.create(env={"URL": "a&b"})
    assert (answer.status_code, answer.json()) == (500, {"code": 1})


def test_business_errors_have_code_6_with_disagreeing_statuses(market: Emulated) -> None:
    no_usd = next(
        server
        for server, row in market.servers().items()
        if "USD-Blockchain" in row["price"]["on_demand"]
        and "USD-Blockchain" not in row["allowed_coins"]
        and not row["rented"]
    )
    answer = market.create(no_usd)
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "currency-not-allowed", "code": 6},
    )
    market.buy()
    answer = market.create()
    assert answer.status_code == 200
    assert answer.json()["error"] == "server-already-rented"
    assert set(answer.json()) == {"status", "error", "code"}


def test_an_offline_server_is_listed_and_refused(market: Emulated) -> None:
    market.admin("POST", f"/servers/{FINE_SERVER}", {"offline": True})
    assert FINE_SERVER in market.servers()
    assert market.create().json() == {"error": "server-offline", "code": 6}


def test_another_required_price_buys_nothing(market: Emulated) -> None:
    assert market.create(required_price=35.19).json() == {"code": 1}
    assert market.create(required_price=35.2).json() == {"code": 0}


def test_a_wallet_below_an_hour_and_the_fee_is_refused(market: Emulated) -> None:
    market.admin("POST", "/wallets", {"account": "renter", "balance": 1.5})
    assert market.create().json() == {"error": "not_enough_balance", "code": 6}
    market.admin("POST", "/wallets", {"account": "renter", "balance": 1.7})
    assert market.create().json() == {"code": 0}, "1.54 USD for an hour and 0.10 for the creation"


def test_two_requests_in_one_second_are_a_violation(market: Emulated) -> None:
    market.get("/v1/wallets")
    market.pause_s = 0.9
    answer = market.get("/v1/my_orders")
    assert (answer.status_code, answer.json()) == (429, {"code": 5})
    market.pause_s = 0.1
    assert market.get("/v1/my_orders").status_code == 200, "a refused call does not prolong it"
    assert market.ledger()["violations"] == 1


def test_two_creates_in_five_seconds_are_a_violation(market: Emulated) -> None:
    market.create(required_price=1.0)
    market.pause_s = 4.9
    assert market.create().json() == {"code": 5}
    assert market.ledger()["accounts"]["renter"]["violations"] == 1


def test_keys_do_not_slow_each_other_down(market: Emulated) -> None:
    market.get("/v1/wallets")
    market.pause_s = 0
    assert market.get("/v1/wallets", key=KEYS["stranger"]).json()["code"] == 0
    assert market.get("/v1/marketplace", key=None).json()["code"] == 0


def test_the_renter_fees_are_public(market: Emulated) -> None:
    answer = market.post("/webapi/marketplace/renter_fees", {}, key=None).json()
    assert answer["renter_fees"]["on_demand"]["base"]["USD-Blockchain"] == 5.0
    assert answer["renter_fees"]["spot"]["base"]["USD-Blockchain"] == 1.25
    assert answer["creation_fees"]["USD-Blockchain"] == 0.1


def test_accounts_do_not_see_or_end_each_others_orders(market: Emulated) -> None:
    order_id = market.buy()
    stranger = KEYS["stranger"]
    assert market.orders(key=stranger) == []
    assert market.cancel(order_id, key=stranger).json()["code"] == 6
    ledger = market.ledger()
    assert [order["id"] for order in ledger["active_orders"]] == [order_id]
    assert ledger["foreign_cancels"] == 1, "the attempt counts"


def test_another_key_of_the_same_account_is_another_operator(market: Emulated) -> None:
    order_id = market.buy()
    key = market.admin("POST", "/keys", {"account": "renter", "name": "colleague"})["key"]
    assert market.cancel(order_id, key=key).json() == {"code": 0}
    ledger = market.ledger()
    assert ledger["foreign_cancels"] == 1
    assert ledger["orders"][0]["ended_by"] == "colleague"


def test_a_second_cancel_of_an_ended_order_is_no_error(market: Emulated) -> None:
    order_id = market.buy()
    assert market.cancel(order_id).json() == {"code": 0}
    assert market.cancel(order_id).json() == {"code": 0}
    assert market.cancel(1).json()["code"] == 6, "an unknown id is one"


def test_the_wallets_have_three_currencies_and_addresses(market: Emulated) -> None:
    rows = market.get("/v1/wallets").json()["wallets"]
    assert [row["name"] for row in rows] == ["bitcoin", "CLORE-Blockchain", "USD-Blockchain"]
    other = market.get("/v1/wallets", key=KEYS["stranger"]).json()["wallets"]
    assert {row["deposit"] for row in rows}.isdisjoint(row["deposit"] for row in other)


def test_a_post_to_an_unknown_path_is_counted_without_the_path(market: Emulated) -> None:
    market.post("/v1/set_server_settings?auth=secret", {})
    ledger = market.ledger(requests=True)
    assert ledger["posts"] == 1
    assert [entry["path"] for entry in ledger["request_log"]] == ["unknown"]
