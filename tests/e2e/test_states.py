"""Several commands, states, names and keys on one account: never more orders than leases.

Slow: each runs the real CLI some times; the programs hold leases alone.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.engine import Engine, Result
from support.leases import copy_of, held, only_leases
from support.market import Market, wait_until
from support.rental import MakeRental, Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


LISTING_FRESH_S = 0.15
"""Real seconds after which a diff asks again instead of reusing the last listing: at 60 times the
speed five marketplace seconds are 0.08."""


@pytest.fixture
def lease(make_rental: MakeRental) -> Rental:
    """A project whose program is one lease."""
    return only_leases(make_rental(), "order")


def active(market: Market) -> list[int]:
    return sorted(order["id"] for order in market.active_orders())


def both(first: Rental, second: Rental) -> tuple[Result, Result]:
    """Run `up` with two CLIs at once."""
    running = [one.start("up", "--yes", "--skip-preview") for one in (first, second)]
    return running[0].finish(), running[1].finish()


def test_a_second_cli_on_one_state_is_refused_before_anything_is_bought(
    lease: Rental, market: Market
) -> None:
    market.arm("pause(here)", on="create_order", phase="before")
    first = lease.start("up", "--yes", "--skip-preview")
    wait_until(
        lambda: bool(market.admin("GET", "")["paused"].get("here")),
        within_s=60,
        because="the first CLI never asked for an order",
    )
    first.process.send_signal(signal.SIGSTOP)
    market.admin("POST", "/release", name="here")
    for refused in (lease.up(), lease.destroy()):
        assert refused.code != 0
        assert "currently locked by 1 lock" in refused.text
        assert "wait for the other process" in refused.text, "it says what to do"
    first.process.send_signal(signal.SIGCONT)
    assert first.finish().code == 0
    assert active(market) == held(lease)
    assert len(market.orders()) == 1


def test_g1_two_copies_of_one_state_never_hold_more_than_one_order_and_each_ends_cleanly(
    lease: Rental, market: Market, ours: Engine, tmp_path: Path
) -> None:
    """The same lease id in both: the file lock, the fence and the mark are all that is left."""
    assert lease.up().code == 0
    twin = copy_of(lease, tmp_path / "twin", ours)
    market.admin("POST", "/cancel", order_id=held(lease)[0])
    results = both(lease, twin)
    assert [one.code for one in results] == [0, 0], results[0].text + results[1].text
    assert held(lease) == held(twin) == active(market)
    assert len(market.orders()) == 2, "the order that was lost, and one for both copies"

    assert lease.destroy().code == 0
    assert active(market) == []
    assert twin.destroy().code == 0, "to the other copy it has ended by evidence"
    ledger = market.ledger()
    assert (ledger["creates"], ledger["violations"]) == (2, 0)


def test_g3_two_clones_share_an_account_and_neither_touches_the_others_order(
    lease: Rental, make_rental: MakeRental, market: Market
) -> None:
    clone = only_leases(make_rental("clone"), "order")
    assert [one.code for one in both(lease, clone)] == [0, 0]
    assert sorted(held(lease) + held(clone)) == active(market)
    assert len(active(market)) == 2

    renamed = lease.run("stack", "rename", "production", "--stack", lease.stack)
    assert renamed.code == 0, renamed.text
    lease.stack = "production"
    again = lease.up()
    assert set(again.changes) == {"same"}, "names identify nobody"

    assert lease.destroy().code == 0
    assert active(market) == held(clone)
    assert set(clone.up().changes) == {"same"}
    assert clone.destroy().code == 0
    ledger = market.ledger()
    assert (active(market), ledger["foreign_cancels"], ledger["violations"]) == ([], 0, 0)


def test_g3_another_accounts_key_decides_nothing_and_both_accounts_are_named(
    lease: Rental, market: Market
) -> None:
    assert lease.up().code == 0
    order = held(lease)
    market.admin("POST", "/accounts", name="other")
    theirs = str(market.admin("POST", "/keys", account="other", name="laptop")["key"])
    lease.environment["CLORE_API_KEY"] = theirs
    for command in (lease.preview, lease.up, lease.refresh, lease.destroy):
        refused = command()
        assert refused.code != 0, refused.text
        [said] = [one for one in refused.messages("error") if "opens another account" in one]
        assert said.count("-") >= 2, "both accounts are named"
        assert "Use a key of account" in said
    recover = lease.cli("recover", "--stack", lease.stack, "--yes")
    assert recover.returncode == 1, recover.stdout + recover.stderr
    assert "state delete" not in recover.stdout, "nobody is told to forget what is billing"
    assert lease.cli("sweep", "--stack", lease.stack, "--cancel", "--yes").returncode == 1
    assert held(lease) == order == active(market)
    seen = market.ledger(requests_too=True)["request_log"]
    assert not [row for row in seen if row["account"] == "other" and row["method"] == "POST"]

    rotated = market.admin("POST", "/keys", account="renter", name="rotated")["key"]
    lease.environment["CLORE_API_KEY"] = str(rotated)
    assert lease.destroy().code == 0, "another key of the same account is the same account"
    assert active(market) == []


SILENCES: tuple[tuple[str, str | list[str]], ...] = (
    ("list_fails(9)", "my_orders"),
    ("rate_limit_storm(9)", ["my_orders", "wallets"]),
    ("key_revoked", ["my_orders", "wallets"]),
    ("list_is_empty", "my_orders"),
)


def test_g8_a_refresh_at_any_moment_drops_no_paid_order_and_hides_no_lost_one(
    lease: Rental, market: Market
) -> None:
    market.arm("kill", ancestors=2, on="create_order", phase="after_commit")
    assert lease.up().code != 0, "the kill hook ends the command"
    lease.wait_for_orphans()
    lease.cancel()
    unchanged(lease, lease.refresh, pending=1)
    assert lease.up().code == 0, "what a kill left is adopted"
    [order] = active(market)
    assert held(lease) == [order]

    for fault, on in SILENCES:
        market.arm(fault, on=on, times=9)
        time.sleep(LISTING_FRESH_S)
        said = unchanged(lease, lease.refresh, pending=1).messages("warning")
        assert any(f"order {order} was not looked at" in one for one in said), (fault, said)
        market.disarm()

    market.admin("POST", "/cancel", order_id=order)
    time.sleep(LISTING_FRESH_S)
    seen = lease.refresh()
    assert seen.code == 0, seen.text
    assert held(lease) == [order], "it is kept, and known to be lost"
    assert "The next `pulumi up` replaces it" in seen.text
    assert lease.up().changes.get("replace") == 1
    assert active(market) == held(lease) != [order]
    assert lease.destroy("--refresh").code == 0
    assert active(market) == []


def unchanged(lease: Rental, command: Callable[[], Result], *, pending: int) -> Result:
    """Run a command that succeeds and must leave the state's leases as they are."""
    before = held(lease)
    result = command()
    assert result.code == 0, result.text
    assert held(lease) == before
    assert len(lease.pending()) == pending
    return result


def test_g4_a_saved_plan_that_shows_no_purchase_lets_none_happen(
    lease: Rental, market: Market, tmp_path: Path
) -> None:
    assert lease.up().code == 0
    plan = str(tmp_path / "plan.json")
    assert lease.preview("--save-plan", plan).code == 0
    market.admin("POST", "/cancel", order_id=held(lease)[0])
    time.sleep(LISTING_FRESH_S)
    blocked = lease.up("--plan", plan)
    assert blocked.code != 0, "the order was lost after the plan was made"
    assert "constrained to same" in blocked.text, blocked.text
    assert market.ledger()["creates"] == 1
    assert lease.destroy().code == 0
    assert active(market) == []
