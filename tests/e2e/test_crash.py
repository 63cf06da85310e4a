"""G1, G2: killed at the exact points where money hangs, then repaired by the documented commands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.market import Market
from support.rental import Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BEFORE_THE_POST = {"on": "marketplace", "phase": "before"}
ONCE_ACCEPTED = {"on": "create_order", "phase": "after_commit"}
PROVIDER, CLI = 0, 2
"""How many parents up from the process that sent the request; Pulumi's wrapper stands between."""


def killed_up(rental: Rental, market: Market, victim: int, point: dict[str, str]) -> None:
    market.arm("kill", ancestors=victim, **point)
    killed = rental.up()
    assert killed.code != 0, "the kill hook ends the command"


def recovered(rental: Rental) -> str:
    """Run `clore-inference recover`, as the message of the next command says."""
    program = Path(sys.executable).parent / "clore-inference"
    done = rental.shell(str(program), "recover", "--stack", rental.stack, "--yes")
    assert done.returncode in (0, 4), done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("victim", "point"),
    [
        pytest.param(CLI, BEFORE_THE_POST, id="cli-before-its-post"),
        pytest.param(CLI, ONCE_ACCEPTED, id="cli-once-accepted"),
        pytest.param(PROVIDER, ONCE_ACCEPTED, id="provider-once-accepted"),
    ],
)
def test_g1_after_a_kill_the_next_up_ends_with_exactly_one_order(
    rental: Rental, market: Market, victim: int, point: dict[str, str]
) -> None:
    killed_up(rental, market, victim, point)
    rental.wait_for_orphans()
    recovered(rental)
    again = rental.up()
    assert again.code == 0, again.text
    rental.wait_for_orphans()
    assert [order["id"] for order in market.active_orders()] == [rental.order_id()]
    assert len(market.orders()) <= 1 + (point is BEFORE_THE_POST), "nothing is bought twice"
    assert rental.pending() == [], "recover clears the pending entry"


@pytest.mark.parametrize(
    ("victim", "point"),
    [
        pytest.param(CLI, BEFORE_THE_POST, id="cli-before-its-post"),
        pytest.param(CLI, ONCE_ACCEPTED, id="cli-once-accepted"),
        pytest.param(PROVIDER, ONCE_ACCEPTED, id="provider-once-accepted"),
    ],
)
def test_g2_after_a_kill_a_destroy_leaves_no_order_even_after_every_orphan_has_ended(
    rental: Rental, market: Market, victim: int, point: dict[str, str]
) -> None:
    killed_up(rental, market, victim, point)
    rental.cancel()
    ended = rental.destroy()
    assert ended.code == 0, ended.text
    rental.wait_for_orphans()
    assert market.active_orders() == []
    assert market.ledger()["violations"] == 0


def test_recover_names_what_is_billing_after_a_kill(rental: Rental, market: Market) -> None:
    killed_up(rental, market, CLI, ONCE_ACCEPTED)
    rental.wait_for_orphans()
    [order] = market.active_orders()
    text = recovered(rental)
    assert str(order["id"]) in text
    assert "USD" in text
    assert rental.destroy().code == 0
    assert market.active_orders() == []
