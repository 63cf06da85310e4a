"""`--target-replace` on every resource: never more orders than leases, and the next `up` repairs it.

Slow: each replacement is an `up` of the real CLI, and the parts on a host need a whole deployment.
"""

from __future__ import annotations

import pytest

from support.leases import held, only_leases
from support.market import Market
from support.rental import MakeRental, Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SAID = {
    "order-guard": "its guard was replaced, which ends order {order}",
    "keys": "the keys were replaced, and the host of order {order} knows only the old",
    "order-lease": "",
}
ON_THE_HOST = (
    "weights-start", "weights-follow", "engine-liveness", "engine-start", "engine-follow",
    "health-probe",
)  # fmt: skip


def active(market: Market) -> list[int]:
    return sorted(order["id"] for order in market.active_orders())


def test_g1_a_guard_keys_or_lease_that_is_forced_ends_in_one_order_that_serves_after_the_next_up(
    make_rental: MakeRental, market: Market
) -> None:
    lease = only_leases(make_rental(), "order")
    assert lease.up().code == 0
    for number, (name, reason) in enumerate(SAID.items(), start=2):
        [order] = held(lease)
        forced = lease.up("--target-replace", lease.resources()[name]["urn"])
        assert forced.code == 0, forced.text
        assert len(active(market)) <= 1
        if not active(market):
            assert f"the guard ended order {order}" in forced.text, "an empty host is told of"
        repaired = lease.up()
        assert repaired.code == 0, repaired.text
        assert reason.format(order=order) in repaired.text
        assert active(market) == held(lease) != [order]
        assert len(market.orders()) == number, "one purchase for each replacement"
    assert lease.destroy().code == 0
    assert active(market) == []
    assert market.ledger()["violations"] == 0


def test_g1_what_lives_on_a_host_is_replaced_on_the_same_order_and_goes_on_serving(
    rental: Rental, market: Market
) -> None:
    assert rental.up().code == 0
    order = rental.order_id()
    urns = [row["urn"] for name, row in rental.resources().items() if name.endswith(ON_THE_HOST)]
    assert len(urns) == len(ON_THE_HOST)
    forced = rental.up(*(word for urn in urns for word in ("--target-replace", urn)))
    assert forced.code == 0, forced.text
    assert forced.changes["replace"] == len(urns)
    assert rental.order_id() == order
    again = rental.up()
    assert set(again.changes) == {"same"}, again.text
    question = {"role": "user", "content": "Still there?"}
    asked = rental.ask({"model": "mistral-medium-3.5", "messages": [question]})
    assert asked.status_code == 200, asked.text
    assert len(market.orders()) == 1
    assert rental.destroy().code == 0
    assert active(market) == []
