"""The order protocol against the emulated marketplace, in its three moods, on a virtual clock.

The emulator shares no code with the client: what one of them misunderstands, the other shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from clore_emulator.exchange import Lags
from clore_emulator.faults import Profile
from clore_inference.errors import CloreInferenceError
from clore_inference.market.observe import Alive
from clore_inference.market.transport import USER_AGENT, Call, Raw, Unsent
from clore_inference.market.wire import orders_of, servers_of, wallets_of
from support.emulated import KEYS, OPENED_AT, Emulated, emulated
from support.fake_clock import FakeClock
from support.lease_world import Stack, World, order_request
from support.market_double import MarketDouble

COMMANDS = 6
"""An operator runs a command again until it says that it is done."""


class EmulatorClock(FakeClock):
    """Our clock, which moves the emulator's too."""

    def __init__(self, emulator: Emulated) -> None:
        super().__init__(OPENED_AT)
        self.emulator = emulator

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.emulator.time.seconds += max(0.0, seconds)


class EmulatorTransport(MarketDouble):
    """The way to the emulator; takes the place of the double in a world."""

    emulator: Emulated

    def send(self, call: Call, *, timeout_s: float | None = None) -> Raw | Unsent:
        headers = {"auth": KEYS["renter"]} if call.needs_key else {}
        try:
            answer = self.emulator.client.request(
                call.method,
                "/v1" + call.path,
                params=dict(call.query or {}),
                json=call.body,
                headers={**headers, "User-Agent": USER_AGENT},
            )
        except Exception as error:  # noqa: BLE001 - what a dropped connection is in this client
            return Unsent(type(error).__name__)
        date = parsedate_to_datetime(answer.headers["date"]).timestamp()
        return Raw(answer.status_code, answer.text, date)


@contextmanager
def emulator_world(profile: Profile = "calm", seed: int = 0) -> Iterator[tuple[World, Emulated]]:
    with emulated(profile=profile, seed=seed, lags=Lags()) as emulator:
        transport = EmulatorTransport(EmulatorClock(emulator))
        transport.emulator = emulator
        world = World(transport)
        world.request = order_request(max_usd_per_day=Decimal(60), max_replacements=3)
        yield world, emulator


def active(emulator: Emulated) -> list[dict[str, Any]]:
    return [row for row in emulator.ledger()["orders"] if row["ended_at"] is None]


def until_done(world: World, stack: Stack, command: str) -> None:
    for attempt in range(COMMANDS):
        world.clock.sleep(10)
        try:
            (world.up if command == "up" else world.destroy)(stack)
        except CloreInferenceError:
            assert attempt < COMMANDS - 1, f"{command} never succeeds"
        else:
            return


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
