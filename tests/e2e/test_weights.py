"""Weights through the real engine: cut, killed, restarted, and still each byte once."""

from __future__ import annotations

from typing import Any

import psutil
import pytest
import requests

from support.market import Market, wait_until
from support.rental import Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SHARDS = "mistralai/Mistral-Medium-3.5-FP8/consolidated-0"
ALL_BYTES = 4 * 400_088
BROKEN_PIECE = 64 * 1024
"""What one answer of the hub may have had on its way when its reader was killed."""


def hub_faults(market: Market, *rows: dict[str, Any]) -> None:
    requests.put(f"{market.hub}/_admin/hub/faults", json=list(rows), timeout=30).raise_for_status()


def shards(market: Market) -> dict[str, int]:
    files = market.fetched()["files"].items()
    return {name: int(row["bytes"]) for name, row in files if name.startswith(SHARDS)}


def on_hosts(market: Market) -> list[psutil.Process]:
    """Every process that runs on an emulated host."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(market.directory) in process.environ().get("CLORE_EMULATOR_HARDWARE", ""):
                found.append(process)
        except psutil.Error:
            continue
    return found


def holders(market: Market, secret: str) -> list[str]:
    """Processes of hosts that show a secret in their arguments or environment."""
    found = []
    for process in on_hosts(market):
        try:
            shown = [*process.cmdline(), *process.environ().values()]
            found += [str(process.cmdline()) for text in shown if secret in text]
        except psutil.Error:
            continue
    return found


def test_a_fetch_that_is_cut_at_30_percent_goes_on_after_a_killed_cli_and_a_restarted_host(
    rental: Rental, market: Market
) -> None:
    slow = {
        "name": "slow",
        "match": "*/resolve/*consolidated-0*",
        "times": 0,
        "bytes_per_s": 60_000,
    }
    hub_faults(market, slow)
    running = rental.start("up", "--yes", "--skip-preview")
    wait_until(
        lambda: sum(shards(market).values()) > 0.3 * ALL_BYTES,
        within_s=120,
        because="the weights do not move",
    )
    assert on_hosts(market), "a fetch runs there"
    assert holders(market, market.hub_token) == [], "the token is in no arguments and environment"
    running.kill()
    running.finish()
    order = market.active_orders()[0]["id"]
    market.admin("POST", f"/hosts/{order}/restart")
    rental.wait_for_orphans()
    before = shards(market)
    assert sum(before.values()) < ALL_BYTES
    hub_faults(market)
    rental.cancel()

    again = rental.up()
    assert again.code == 0, again.text
    assert rental.order_id() == order, "the paid host is kept"
    for name, sent in shards(market).items():
        assert 400_088 <= sent <= 400_088 + BROKEN_PIECE, f"{name} came once but for its piece"
    assert holders(market, market.hub_token) == []
    files = [path for path in market.directory.rglob("*") if path.is_file()]
    hosts = [path for path in files if "/home/" in str(path) and path.stat().st_size < 1_000_000]
    assert hosts, "the hosts' homes lie in the emulator's directory"
    kept = [path for path in hosts if market.hub_token.encode() in path.read_bytes()]
    assert kept == [], "the token is on the host only while it fetches"

    calls = market.fetched()["bytes"]
    rental.configure(maxModelLen="32768")
    assert rental.up().code == 0
    assert market.fetched()["bytes"] == calls, "another context length fetches nothing"
    assert rental.destroy().code == 0
