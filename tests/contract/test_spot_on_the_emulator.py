"""Spot orders against the emulated marketplace: the bid, the end of it, and what we say then."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.market.observe import Alive, Lost
from support.emulator_world import active, emulator_world
from support.lease_world import Stack

HOUR_S = 3600.0


def test_a_bid_rents_and_is_what_the_ledger_bills() -> None:
    with emulator_world(order_type="spot", spot_bid_usd_per_day="50") as (world, emulator):
        stack = Stack()
        world.up(stack)
        (row,) = active(emulator)
        assert row["type"] == "spot"
        assert 49.98 < row["usd_per_day"] * 1.0125 <= 50
        assert stack.lease is not None
        assert Decimal(stack.lease["usd_per_day"]) == Decimal(str(row["usd_per_day"])) * Decimal(
            "1.0125"
        )
        world.destroy(stack)
        assert active(emulator) == []
        assert emulator.ledger()["violations"] == 0


def test_without_a_configured_bid_the_least_one_is_made() -> None:
    with emulator_world(order_type="spot") as (world, emulator):
        stack = Stack()
        world.up(stack)
        (row,) = active(emulator)
        assert stack.lease is not None
        floors = emulator.servers()[row["server_id"]]["price"]["spot"]
        assert row["usd_per_day"] == floors["USD-Blockchain"]


@pytest.mark.parametrize("who", ["another account", "the admin"])
def test_an_outbid_order_is_lost_told_and_bid_for_elsewhere(who: str) -> None:
    with emulator_world(order_type="spot", spot_bid_usd_per_day="50") as (world, emulator):
        stack = Stack()
        world.up(stack)
        (row,) = active(emulator)
        world.clock.sleep(HOUR_S)
        assert isinstance(world.up(stack), Alive)
        world.clock.sleep(HOUR_S / 2)
        if who == "the admin":
            emulator.admin("POST", "/outbid", {"order_id": row["id"]})
        else:
            bid = {"type": "spot", "spotprice": 54.32, "account": "stranger"}
            emulator.admin("POST", "/rent", {**bid, "server_id": row["server_id"]})
        world.clock.sleep(10)
        seen = world.up(stack)
        assert isinstance(seen, Lost)
        assert f"order {row['id']} on server {row['server_id']} ended" in seen.reason
        found = "outbid at 50.00 USD a day with fee, market now 55.00 USD, cap 60.00 USD"
        assert found in seen.reason
        mine = [one for one in active(emulator) if one["account"] == "renter"]
        assert [one["usd_per_day"] for one in mine] == [row["usd_per_day"]], (
            "the bid was not raised"
        )
        assert mine[0]["server_id"] != row["server_id"]
        assert emulator.ledger()["violations"] == 0
