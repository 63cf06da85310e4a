"""Our commands against the emulated marketplace, in one process and on one virtual clock.

The emulator shares no code with the client: what one of them misunderstands, the other shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from clore_emulator.exchange import Lags
from clore_emulator.faults import Profile
from clore_inference.errors import CloreInferenceError
from clore_inference.market.transport import USER_AGENT, Call, Raw, Unsent

from .emulated import KEYS, OPENED_AT, Emulated, emulated
from .fake_clock import FakeClock
from .lease_world import Stack, World, order_request
from .market_double import MarketDouble

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
def emulator_world(
    profile: Profile = "calm", seed: int = 0, **request: Any
) -> Iterator[tuple[World, Emulated]]:
    """A world whose marketplace is the emulator."""
    with emulated(profile=profile, seed=seed, lags=Lags()) as emulator:
        transport = EmulatorTransport(EmulatorClock(emulator))
        transport.emulator = emulator
        world = World(transport)
        wanted = {"max_usd_per_day": Decimal(60), "max_replacements": 3, **request}
        world.request = order_request(**wanted)
        yield world, emulator


def active(emulator: Emulated) -> list[dict[str, Any]]:
    """What the ledger bills."""
    return [row for row in emulator.ledger()["orders"] if row["ended_at"] is None]


def until_done(world: World, stack: Stack, command: str) -> None:
    """Run a command as often as an operator does."""
    for attempt in range(COMMANDS):
        world.clock.sleep(10)
        try:
            (world.up if command == "up" else world.destroy)(stack)
        except CloreInferenceError:
            assert attempt < COMMANDS - 1, f"{command} never succeeds"
        else:
            return
