"""Keep the box, change the engine: the order and the files stay, the endpoint is proven again."""

from __future__ import annotations

import pytest

from support.market import Market
from support.rental import Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def bytes_by_file(market: Market) -> dict[str, int]:
    return {name: int(row["bytes"]) for name, row in market.fetched()["files"].items()}


def test_another_context_length_keeps_order_and_files(rental: Rental, market: Market) -> None:
    assert rental.up().code == 0
    order, start = rental.order_id(), rental.outputs()["startId"]
    fetched = bytes_by_file(market)

    rental.configure(maxModelLen="32768")
    longer = rental.up()
    assert longer.code == 0, longer.text
    assert rental.order_id() == order
    assert rental.outputs()["startId"] != start, "another command line is another start"
    assert bytes_by_file(market) == fetched, "another context length fetches nothing"

    assert len(market.orders()) == 1
    assert rental.destroy().code == 0
    assert market.active_orders() == []


def test_a_failed_change_can_be_reverted_and_the_engine_starts_again(
    rental: Rental, market: Market
) -> None:
    assert rental.up().code == 0
    order = rental.order_id()
    market.engine_faults(order, "crashes_at_load")
    rental.configure(maxModelLen="32768")
    failed = rental.up()
    assert failed.code != 0
    assert "out of memory" in failed.text.lower(), failed.text
    assert f"{order}" in failed.text, "the message names the order that goes on billing"

    market.engine_faults(order)
    rental.configure(maxModelLen="65536")
    reverted = rental.up()
    assert reverted.code == 0, reverted.text
    assert rental.order_id() == order
    assert rental.ask({"model": "mistral-medium-3.5", "messages": [
        {"role": "user", "content": "Are you back?"}]}).status_code == 200  # fmt: skip


def test_a_dead_engine_is_seen_and_started_again_by_the_next_up(
    rental: Rental, market: Market
) -> None:
    assert rental.up().code == 0
    order = rental.order_id()
    start = rental.outputs()["startId"]
    market.engine_faults(order, "crashes_on_request", "crashes_at_load")
    rental.ask({"model": "mistral-medium-3.5", "messages": [{"role": "user", "content": "Die."}]})
    rental.wait_until_engine_is("dead")
    market.engine_faults(order)
    repaired = rental.up()
    assert repaired.code == 0, repaired.text
    assert rental.order_id() == order
    assert rental.outputs()["startId"] != start


def test_a_host_that_vanished_by_evidence_is_replaced_and_the_new_endpoint_proven(
    rental: Rental, market: Market
) -> None:
    assert rental.up().code == 0
    first = rental.order_id()
    market.admin("POST", "/cancel", order_id=first)
    repaired = rental.up()
    assert repaired.code == 0, repaired.text
    assert rental.order_id() != first
    assert [order["id"] for order in market.active_orders()] == [rental.order_id()]
    assert rental.destroy().code == 0
    assert market.active_orders() == []
