"""Recorded answers of the real marketplace parse, and mean what they meant."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clore_inference.market.answers import of_get, of_post
from clore_inference.market.gpu_name import counted
from clore_inference.market.lease import is_active
from clore_inference.market.offers import disk_gb
from clore_inference.market.order import http_url, is_reachable, ssh_address
from clore_inference.market.price import order_usd_per_day, spent_usd
from clore_inference.market.transport import Raw
from clore_inference.market.wire import orders_of, servers_of, wallets_of

RECORDED = Path(__file__).parent / "recorded"
MARKET = Path(__file__).parents[2] / "emulator/clore_emulator/market/marketplace-2024-05.json"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


def test_an_active_order_says_where_it_is_and_what_it_costs() -> None:
    (order,) = orders_of({"orders": [recorded("order-active-2026")], "code": 0})
    assert (order.id, order.server_id, order.created_at) == (1939941, 88028, 1783703890)
    assert order.ends_at == 1783703890 + 604800, "mrl is seconds in orders"
    assert order.ports == {22: 1972}
    assert ssh_address(order) == ("n1.us.clorecloud.net", 1972)
    assert http_url(order) == "https://2q8138x0hvvzh.us.clorecloud.net"
    assert is_reachable(order, http=True)
    assert is_active(order, 1783703900)
    assert order_usd_per_day(order, Decimal(1)) == Decimal("2.10"), "2 a day and 5 % fee"
    assert spent_usd(order, Decimal(1), None) == pytest.approx(
        Decimal("0.10146"), abs=Decimal("0.00001")
    )


def test_a_closed_order_is_closed_and_has_no_ports() -> None:
    (order,) = orders_of({"orders": [recorded("order-closed-2026")], "code": 0})
    assert order.closed
    assert order.ports == {}
    assert not is_active(order, None)


def test_servers_of_2024_and_2026_parse() -> None:
    rows = [recorded("server-2024"), recorded("server-2026")]
    market = servers_of({"servers": rows, "code": 0})
    assert market.malformed == 0
    old, new = market.servers
    assert counted(old.specs.gpu) == (4, "teslap40")
    assert disk_gb(old.specs.disk) == 516.1692
    assert counted(new.specs.gpu) == (1, "rtx4090")
    assert new.on_demand["USD-Blockchain"] == 3
    assert isinstance(new.on_demand["USD-Blockchain"], int), "sent back verbatim"


def test_the_documented_examples_parse() -> None:
    assert len(servers_of(recorded("marketplace-docs")).servers) == 1
    assert wallets_of(recorded("wallets"))[0].name == "bitcoin"


def test_the_real_market_of_2024_parses_without_a_malformed_row() -> None:
    if not MARKET.exists():
        pytest.skip("the emulator's market file is not there")
    market = servers_of(json.loads(MARKET.read_text()))
    assert market.malformed == 0
    assert len(market.servers) > 200


@pytest.mark.parametrize(
    ("status", "text", "outcome"),
    [
        (200, '{"code":0}', "done"),
        (429, '{"code":5}', "ambiguous"),
        (500, '{"error":"currency-not-allowed","code":6}', "refused"),
        (200, '{"status":"error","error":"server-already-rented","code":6}', "refused"),
        (500, '{"code":1}', "ambiguous"),
        (403, "error code: 1010", "refused"),
    ],
)
def test_recorded_answers_to_a_purchase_are_classified(
    status: int, text: str, outcome: str
) -> None:
    assert of_post(Raw(status, text)).outcome == outcome


def test_a_recorded_rate_limit_is_no_listing() -> None:
    assert of_get(Raw(429, '{"code":5}')).reading == "limited"
