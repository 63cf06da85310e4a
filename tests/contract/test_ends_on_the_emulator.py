"""Each way in which an order ends, as the marketplace shows it and as we tell it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.market.order import HeldOrder
from clore_inference.market.story import how_it_ended
from clore_inference.market.wire import Order, orders_of
from support.emulated import FINE_SERVER, Emulated, emulated

HOUR_S = 3600.0
EARLY = "by hand, by the server's owner, or by Clore because a wallet was empty; the API does not"


def ended(emulator: Emulated, order_id: int) -> Order:
    rows = orders_of({"orders": emulator.orders(completed=True), "code": 0})
    return next(row for row in rows if row.id == order_id)


def held(row: Order) -> HeldOrder:
    return HeldOrder(
        order_id=row.id,
        server_id=row.server_id or 0,
        created_at=row.created_at or 0,
        ends_at=row.ends_at or 0,
        usd_per_day=Decimal("36.96"),
        ssh_host="n1.us.clorecloud.net",
        ssh_port=1200,
        http_url="",
        gpu="4x NVIDIA H100 80GB HBM3",
        accepted={},
    )


@pytest.mark.parametrize("way", ["/cancel", "/end_by_host", "wallet"])
def test_an_order_that_ended_early_names_everybody_who_may_have_done_it(way: str) -> None:
    with emulated() as emulator:
        order_id = emulator.buy()
        emulator.wait(HOUR_S)
        if way == "wallet":
            emulator.arm(do="wallet_runs_dry", on="wallets")
            emulator.get("/v1/wallets")
        else:
            emulator.admin("POST", way, {"order_id": order_id})
        row = ended(emulator, order_id)
        (entry,) = emulator.ledger()["orders"]
    text = how_it_ended(held(row), row)
    assert row.closed
    assert f"order {order_id} on server {FINE_SERVER} ended" in text
    assert "before its term: " + EARLY in text
    assert f"It cost {entry['cost_usd']:.2f} USD" in text, "the ledger's own sum, to the cent"


def test_an_order_that_was_outbid_is_told_from_one_that_was_not() -> None:
    with emulated() as emulator:
        order_id = emulator.buy(type="spot", spotprice=35.2)
        emulator.wait(HOUR_S)
        emulator.admin("POST", "/outbid", {"order_id": order_id})
        row = ended(emulator, order_id)
    text = how_it_ended(held(row), row)
    assert "before its term" in text
    assert ("outbid" in text) == (row.spot is True)


def test_a_term_that_is_over_is_no_ones_doing() -> None:
    with emulated() as emulator:
        order_id = emulator.buy()
        (running,) = orders_of({"orders": emulator.orders(), "code": 0})
        emulator.wait((running.term_s or 0) + 60)
        row = ended(emulator, order_id)
    assert row.closed
    assert "its term is over" in how_it_ended(held(row), row)
