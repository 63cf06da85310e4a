"""A successor before the old lease ends: proven first, and a failing one leaves the first living."""

from __future__ import annotations

import pytest

from support.market import Market
from support.rental import Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CHAT = {"model": "mistral-medium-3.5", "messages": [{"role": "user", "content": "Still there?"}]}


def test_a_successor_is_proven_before_the_first_order_ends_and_a_failing_one_ends_nothing(
    rental: Rental, market: Market
) -> None:
    assert rental.up("--continue-on-error").code == 0
    first, endpoint = rental.order_id(), rental.outputs()["endpoint"]

    market.admin("POST", "/engine_faults", ["crashes_at_load"])
    market.engine_faults(first)
    rental.configure(generation="2")
    failed = rental.up("--continue-on-error")
    assert failed.code != 0, "the successor's engine cannot start"
    assert f"order {first} on server" in failed.text
    assert "is kept and goes on serving" in failed.text
    assert first in [order["id"] for order in market.active_orders()], "it outlives the failure"
    assert rental.ask(CHAT, endpoint).status_code == 200

    rental.configure(generation="1")
    back = rental.up("--continue-on-error")
    assert back.code == 0, back.text
    assert [order["id"] for order in market.active_orders()] == [first], "the failed one ended"

    market.admin("POST", "/engine_faults", [])
    rental.configure(generation="2")
    done = rental.up("--continue-on-error")
    assert done.code == 0, done.text
    steps = done.operations()
    proof = next(at for at, (op, name) in enumerate(steps) if op == "create" and "probe" in name)
    ended = next(at for at, (op, name) in enumerate(steps) if op == "delete" and "lease" in name)
    assert proof < ended, "the first order is ended only after the successor was proven"
    [successor] = market.active_orders()
    rows = {order["id"]: order for order in market.orders()}
    assert len(rows) == 3, "the first, the one that failed, and its successor"
    assert rows[first]["ended_at"] > successor["created_at"], "the two overlap"
    assert rental.order_id() == successor["id"]
    assert rental.outputs()["endpoint"] != endpoint
    assert rental.ask(CHAT).status_code == 200
    assert rental.destroy().code == 0
    assert market.active_orders() == []
