"""Faults of what is listed: late, partial, empty, malformed."""

from __future__ import annotations

from support.emulated import FINE_SERVER, Emulated

from .proof import proves


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
