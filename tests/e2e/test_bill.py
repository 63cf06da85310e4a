"""The bill in the open: seen by doctor and warden, ended first by destroy, found by sweep without state."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.market import Market
from support.rental import Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def command(rental: Rental, *words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "clore-inference"
    return rental.shell(str(program), *words)


def test_g3_with_the_state_deleted_sweep_ends_exactly_what_was_confirmed(
    rental: Rental, market: Market
) -> None:
    assert rental.up().code == 0
    order = rental.order_id()
    free = next(
        row
        for row in market.admin("GET", "/servers")
        if not row["rented"] and not row["offline"] and "USD-Blockchain" in row["allowed_coins"]
    )
    market.admin("POST", "/rent", server_id=free["id"], account="renter")

    shown = json.loads(command(rental, "doctor", "--stack", rental.stack, "--json").stdout)
    rows = {row["name"]: row for row in shown}
    assert rows[f"order {order}"]["state"] == "ok"
    assert "1 order(s) of others" in rows["orders"]["text"]
    assert rows["api mark"]["state"] == "ok", "the full mark, checked against the stack's lease"

    watched = command(
        rental, "warden", "--stack", rental.stack, "--max-idle-hours", "1000", "--max-usd", "1000"
    )
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert "idle is unknown" not in watched.stderr, "the operator's key opens the metrics"

    shutil.rmtree(rental.backend)
    file = ["--config-file", str(rental.directory / "stacks" / f"Pulumi.{rental.stack}.yaml")]
    found = command(rental, "sweep", *file, "--json")
    assert found.returncode == 4, found.stderr
    assert [row["order_id"] for row in json.loads(found.stdout)["orders"]] == [order]
    assert command(rental, "sweep", *file, "--cancel", "--yes").returncode == 4, (
        "no word, no cancel"
    )
    ended = command(rental, "sweep", *file, "--order", str(order), "--yes")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    ledger = market.ledger()
    assert [row["made_by"] for row in ledger["active_orders"]] == ["human"]
    assert (ledger["foreign_cancels"], ledger["violations"]) == (0, 0)


def test_g2_g7_a_dead_host_delays_no_cancel_and_the_first_is_the_third_request_of_a_destroy(
    rental: Rental, market: Market
) -> None:
    assert rental.up().code == 0
    market.admin("POST", f"/hosts/{rental.order_id()}/lose")
    before = len(market.ledger(requests_too=True)["request_log"])
    ended = rental.destroy()
    assert ended.code == 0, ended.text
    paths = [row["path"] for row in market.ledger(requests_too=True)["request_log"][before:]]
    assert [path.endswith("/cancel_order") for path in paths].index(True) + 1 <= 3, paths
    assert "are saved from now on" in ended.text
    assert market.active_orders() == []
