"""The order protocol against the emulated marketplace, in its three moods, on a virtual clock."""

from __future__ import annotations

import pytest

from clore_emulator.faults import Profile
from clore_inference.market.observe import Alive
from clore_inference.market.wire import orders_of, servers_of, wallets_of
from support.emulated import emulated
from support.emulator_world import active, emulator_world, until_done
from support.lease_world import Stack


def test_the_emulators_answers_parse() -> None:
    with emulated() as emulator:
        emulator.buy()
        emulator.wait(60)
        servers = servers_of(emulator.get("/v1/marketplace").json())
        assert servers.malformed == 0
        assert len(servers.servers) > 200
        (order,) = orders_of(emulator.get("/v1/my_orders?return_completed=false").json())
        assert order.ports.keys() == {22, 30001}
        assert not order.closed
        emulator.cancel(order.id)
        (closed,) = orders_of(emulator.get("/v1/my_orders?return_completed=true").json())
        assert closed.closed
        assert closed.id == order.id
        assert wallets_of(emulator.get("/v1/wallets").json())


def test_on_a_calm_market_one_order_lives_and_dies() -> None:
    with emulator_world() as (world, emulator):
        stack = Stack()
        world.up(stack)
        (row,) = active(emulator)
        assert stack.lease is not None
        assert row["id"] == stack.lease["order_id"]
        world.clock.sleep(30)
        assert isinstance(world.up(stack), Alive)
        world.destroy(stack)
        assert active(emulator) == []
        assert emulator.ledger()["violations"] == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("profile", ["flaky", "hostile"])
def test_g1_g2_on_a_moody_market_one_order_lives_and_none_is_left(
    profile: Profile, seed: int
) -> None:
    with emulator_world(profile, seed) as (world, emulator):
        stack = Stack()
        until_done(world, stack, "up")
        assert stack.lease is not None
        assert [row["id"] for row in active(emulator)] == [stack.lease["order_id"]]
        until_done(world, stack, "destroy")
        assert active(emulator) == []
        ledger = emulator.ledger()
        assert (ledger["violations"], ledger["foreign_cancels"]) == (0, 0)
