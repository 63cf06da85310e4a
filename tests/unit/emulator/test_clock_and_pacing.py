"""The market's clock runs fast, jumps forward, and paces every key."""

from __future__ import annotations

import asyncio

import pytest

from clore_emulator.clock import VirtualClock
from clore_emulator.pacing import Pacing


def test_virtual_time_runs_by_its_scale() -> None:
    wall = [5.0]
    clock = VirtualClock(start=1000, scale=60, source=lambda: wall[0])
    wall[0] += 2
    assert clock.now() == 1120
    assert clock.real(60) == 1


def test_the_clock_jumps_forward_and_never_back() -> None:
    clock = VirtualClock(start=1000, source=lambda: 0.0)
    assert clock.advance(30) == 1030
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(float("nan"))


@pytest.mark.parametrize("scale", [0, -1, float("inf"), float("nan")])
def test_a_scale_that_is_no_speed_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="time scale"):
        VirtualClock(start=0, scale=scale)


def test_an_advance_cuts_a_wait_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clore_emulator.clock.LONGEST_NAP_S", 0.001)
    clock = VirtualClock(start=0, source=lambda: 0.0)

    async def scenario() -> None:
        waiting = asyncio.create_task(clock.sleep(3600))
        await asyncio.sleep(0)
        clock.advance(3600)
        await asyncio.wait_for(waiting, timeout=5)

    asyncio.run(scenario())


def test_a_create_waits_for_both_limits() -> None:
    pacing = Pacing()
    assert pacing.admit("key", "create_order", 10)
    assert not pacing.admit("key", "my_orders", 10.9)
    assert pacing.admit("key", "my_orders", 11)
    assert not pacing.admit("key", "create_order", 14.9)
    assert not pacing.admit("key", "create_order", 11.5)
    assert pacing.admit("key", "create_order", 15)
