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
    assert rental.destroy().code == 0


def test_what_a_hub_refuses_or_damages_ends_with_its_name_and_fix_and_costs_only_its_file(
    rental: Rental, market: Market
) -> None:
    third = "*consolidated-00003*"
    hub_faults(market, {"name": "refused", "match": third, "times": 0, "status": 403})
    refused = rental.up()
    assert refused.code != 0
    assert "gated: " in refused.text
    assert "Accept the license at" in refused.text
    order = market.active_orders()[0]["id"]
    assert f"order {order} goes on at" in refused.text, "a paid host that waits says what it costs"

    hub_faults(market, {"name": "wrong_hash", "match": third, "times": 2})
    damaged = rental.up()
    assert damaged.code != 0
    assert "hash_mismatch: consolidated-00003" in damaged.text
    assert "or set hfEndpoint" in damaged.text

    hub_faults(market, {"name": "http_429", "match": third, "times": 1, "retry_after_s": 20})
    repaired = rental.up()
    assert repaired.code == 0, repaired.text
    assert [one["id"] for one in market.active_orders()] == [order]
    for name, sent in shards(market).items():
        times = 3 if "00003" in name else 1
        assert sent == times * 400_088, name
    assert rental.destroy().code == 0
