"""Reading answers: strangers' rows one by one, our own all or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from clore_inference.market.order import http_url, ssh_address
from clore_inference.market.text import plain
from clore_inference.market.wire import Malformed, Order, body_of, orders_of, servers_of
from support.server_row import server_row

ROW: dict[str, Any] = {"id": 7, "si": 101, "ct": 1, "mrl": 2, "tcp_ports": ["22:1200"]}


def test_malformed_servers_are_skipped_and_counted() -> None:
    rows: list[object] = [
        server_row(1, 40),
        None,
        7,
        "x",
        [],
        {},
        {"id": 2},
        server_row(3, 40, rented="perhaps"),
    ]
    market = servers_of({"servers": rows})
    assert [server.id for server in market.servers] == [1]
    assert market.malformed == 7


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"id": True},
        {"id": "x"},
        {"tcp_ports": ["22"]},
        {"tcp_ports": ["x:1200"]},
        {"tcp_ports": ["22:99999"]},
        {"tcp_ports": 22},
        {"tcp_ports": {"22": 1200}},
        {"expired": "perhaps"},
        {"ct": "soon"},
        {"mrl": []},
        {"si": {}},
    ],
)
def test_g8_one_malformed_order_makes_the_listing_unreadable(broken: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        orders_of({"orders": [ROW, {**ROW, **broken}]})


@pytest.mark.parametrize("body", [{}, {"orders": None}, {"orders": {}}, {"orders": [None]}])
def test_g8_an_answer_without_a_list_of_orders_is_no_empty_account(body: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        orders_of(body)


@pytest.mark.parametrize(
    "row",
    [
        {**ROW, "id": "7"},
        {**ROW, "expired": None, "order_end": None},
        {"id": 7},
        {**ROW, "specs": "none", "unknown": {}} | {"specs": {}},
        {**ROW, "pub_cluster": "n1.us.clorecloud.net", "http_port": 8000},
    ],
)
def test_an_order_is_read_whatever_is_missing_or_new(row: dict[str, Any]) -> None:
    (order,) = orders_of({"orders": [row]})
    assert order.id == 7
    assert not order.closed


def test_a_malformed_order_is_named_by_its_field_and_never_quoted() -> None:
    with pytest.raises(Malformed, match="`ct`") as caught:
        orders_of({"orders": [{**ROW, "ct": "secret text"}]})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "NaN", '{"a":Infinity}', "[" * 100_000, "null", '"x"'])
def test_what_is_no_json_object_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        body_of(text)


def test_marketplace_text_is_shown_without_control_or_direction_characters() -> None:
    hostile = "4x H100\x1b[31m\r\n\u202e\u200b\x00 ok" + "x" * 999
    (server,) = servers_of({"servers": [server_row(1, 40, specs={"gpu": hostile})]}).servers
    assert server.specs.gpu.startswith("4x H100[31m ok")
    assert server.specs.gpu.isprintable()
    assert len(server.specs.gpu) == 200


def test_plain_text_stays_as_it_is() -> None:
    assert plain("NVIDIA H100 80GB HBM3") == "NVIDIA H100 80GB HBM3"
    assert plain("Zürich") == "Zürich"


@pytest.mark.parametrize(
    "name", ["", "a b", "-x", "x;rm -rf /", "a..b", "$(x)", "http://x", "x/y", "x" * 300]
)
def test_an_invalid_host_name_is_no_address(name: str) -> None:
    order = Order(id=1, pub_cluster=(name,), tcp_ports=("22:1200",), http_pub=name)
    assert ssh_address(order) is None
    assert http_url(order) is None


def test_a_public_name_is_https_and_a_loopback_literal_http() -> None:
    assert http_url(Order(id=1, http_pub="x.us.clorecloud.net")) == "https://x.us.clorecloud.net"
    assert http_url(Order(id=1, http_pub="127.0.0.1:4711")) == "http://127.0.0.1:4711"
    assert http_url(Order(id=1, http_pub="127.0.0.1:99999")) is None
