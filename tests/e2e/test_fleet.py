"""Many leases in one program: one that fails holds up no other, and the pace is shared.

Slow: three whole deployments and eight hosts behind one marketplace, through the real engine.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from support.engine import REPOSITORY
from support.leases import held, only_leases
from support.market import Market
from support.rental import MakeRental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CLI = str(Path(sys.executable).parent / "clore-inference")
NAMES = ("amsterdam", "berlin", "cairo")


def documented_program() -> str:
    """The program of the page about fleets, as it stands."""
    page = (REPOSITORY / "docs" / "fleet.md").read_text(encoding="utf-8")
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    return str(program)


def test_of_three_replicas_one_fails_and_the_others_live_and_are_proven(
    make_rental: MakeRental, market: Market
) -> None:
    rental = make_rental(maxReplacements="0")
    (rental.directory / "__main__.py").write_text(documented_program(), encoding="utf-8")
    market.arm("server_lies(fewer_gpus)", nth=2, times=1)
    first = rental.up("--continue-on-error")
    assert first.code != 0, "one replica failed"
    failures = [one for one in first.messages("error") if "HostRejected" in one]
    assert len(failures) == 1, first.text
    [liar] = [order for order in market.orders() if not order["active"]]
    assert failures[0].startswith("clore_inference.errors.HostRejected: "), (
        "the message comes first"
    )
    assert f"Order {liar['id']} on server {liar['server_id']} was ended, verified" in failures[0]
    told = rental.outputs()
    living = {name: told[name] for name in NAMES if isinstance(told[name]["proven"], list)}
    assert len(living) == 2, first.text
    assert {int(one["orderId"]) for one in living.values()} == {
        order["id"] for order in market.active_orders()
    }
    assert all("chat-deep" in one["proven"] for one in living.values())

    again = rental.up("--continue-on-error")
    assert again.code == 0, again.text
    orders = {name: int(rental.outputs()[name]["orderId"]) for name in NAMES}
    assert {order["id"] for order in market.active_orders()} == set(orders.values())
    assert all(orders[name] == int(one["orderId"]) for name, one in living.items())
    assert len(market.orders()) == 4, "three replicas, and the one that lied"
    [repaired] = set(NAMES) - living.keys()
    assert rental.shell(CLI, "smoke", "--stack", "test", "--replica", repaired).returncode == 0

    assert rental.destroy().code == 0
    assert market.active_orders() == []
    assert market.ledger()["violations"] == 0


def test_eight_leases_at_once_all_get_their_turn_while_one_waits_for_a_dead_host(
    make_rental: MakeRental, market: Market
) -> None:
    """Four threads serve them; a host that never comes up keeps one for a quarter of an hour."""
    names = tuple(f"r{number}" for number in range(8))
    rental = only_leases(make_rental(maxUsdPerDay="200", maxReplacements="0"), *names)
    market.arm("never_deploys", nth=2, times=1)
    result = rental.up("--continue-on-error")
    assert result.code != 0, "one lease failed"
    failures = [one for one in result.messages("error") if "clore_inference.errors" in one]
    assert len(failures) == 1, result.text
    assert "missed its deadline" in failures[0]
    active = market.active_orders()
    assert held(rental) == sorted(order["id"] for order in active)
    assert len(active) == 7, result.text
    [dead] = [order for order in market.orders() if not order["active"]]
    assert max(order["created_at"] for order in active) < dead["ended_at"], (
        "everybody had its turn while one thread waited"
    )
    posts = [
        row["status"] == 200 and row["code"] == 0
        for row in market.ledger(requests_too=True)["request_log"]
        if row["path"].endswith("/create_order")
    ]
    assert posts == [True] * 8, "no two of them ask for one server"

    assert rental.destroy().code == 0
    ledger = market.ledger()
    assert (ledger["active_orders"], ledger["violations"]) == ([], 0)


def test_g2_a_destroy_whose_api_fails_half_way_ends_what_it_can_and_names_the_rest(
    make_rental: MakeRental, market: Market
) -> None:
    rental = only_leases(make_rental(), *NAMES)
    assert rental.up("--continue-on-error").code == 0
    before = len(market.ledger(requests_too=True)["request_log"])
    market.arm("cancel_fails", nth=2, times=99)
    failed = rental.destroy()
    assert failed.code != 0
    burning = {order["id"] for order in market.active_orders()}
    assert len(burning) == 2, "one of three was cancelled before the API failed"
    told = "\n".join(failed.messages("error"))
    assert told.count("What may still be burning:") == len(burning)
    assert all(f"\n  {order} " in told for order in burning), told
    assert "`pulumi destroy` again" in told
    paths = [row["path"] for row in market.ledger(requests_too=True)["request_log"][before:]]
    assert [path.endswith("/cancel_order") for path in paths].index(True) + 1 <= 3, paths

    market.disarm()
    assert rental.destroy().code == 0
    assert (market.active_orders(), market.ledger()["violations"]) == ([], 0)
