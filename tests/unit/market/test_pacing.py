"""One pace per key, whoever asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from clore_inference.clock import WallClock
from clore_inference.market.pacing import CREATE_INTERVAL_S, REQUEST_INTERVAL_S, Kind, Pacer
from clore_inference.market.store import FileStore
from support.fake_clock import FakeClock
from support.lease_world import MemoryStore


def test_a_turn_comes_a_second_after_the_last_answer() -> None:
    clock = FakeClock()
    pacer = Pacer(MemoryStore(), clock)
    with pacer.turn("request"):
        clock.time += 10  # a slow answer
    with pacer.turn("request"):
        assert clock.slept == [pytest.approx(REQUEST_INTERVAL_S)]


def test_a_purchase_comes_five_seconds_after_the_last_one() -> None:
    clock = FakeClock()
    pacer = Pacer(MemoryStore(), clock)
    for _ in range(2):
        with pacer.turn("create"):
            pass
    assert clock.slept == [pytest.approx(CREATE_INTERVAL_S)]
    with pacer.turn("request"):
        pass
    assert clock.slept[1:] == [pytest.approx(REQUEST_INTERVAL_S)]


def test_a_request_that_was_cut_off_counts_too() -> None:
    clock = FakeClock()
    store = MemoryStore()
    with pytest.raises(KeyboardInterrupt), Pacer(store, clock).turn("request"):
        raise KeyboardInterrupt
    assert Pacer(store, clock).wait_s("request") == pytest.approx(REQUEST_INTERVAL_S)


def test_a_hold_is_for_everybody_and_bounded() -> None:
    clock = FakeClock()
    store = MemoryStore()
    Pacer(store, clock).hold(1000)
    assert Pacer(store, clock).wait_s("request") == pytest.approx(60)


def test_a_clock_that_was_set_back_waits_no_longer_than_an_interval() -> None:
    clock = FakeClock()
    pacer = Pacer(MemoryStore(), clock)
    with pacer.turn("create"):
        pass
    clock.time -= 1e6
    assert pacer.wait_s("create") == pytest.approx(CREATE_INTERVAL_S)


def test_an_unreadable_stamp_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "pacer.json").write_text('{"request": "soon", "create": null, "hold_until": []}')
    assert Pacer(FileStore(tmp_path), FakeClock()).wait_s("create") == 0


def test_threads_and_processes_take_turns(tmp_path: Path) -> None:
    clock = WallClock(scale=40)
    sent: list[float] = []

    def client() -> None:
        pacer = Pacer(FileStore(tmp_path), clock)
        for _ in range(4):
            with pacer.turn("request"):
                sent.append(clock.now())

    run_together(client, client, client)
    assert len(sent) == 12
    assert min(later - one for one, later in pairwise(sent)) >= 1


def run_together(*parts: Callable[[], None]) -> None:
    threads = [threading.Thread(target=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()


def test_nobody_comes_between_a_listing_and_the_purchase_behind_it(tmp_path: Path) -> None:
    clock = WallClock(scale=100)
    order: list[str] = []
    held = threading.Event()

    def buyer() -> None:
        pacer = Pacer(FileStore(tmp_path), clock)
        with pacer.exclusive():
            held.set()
            for kind in ("request", "create"):
                kinds: Kind = "create" if kind == "create" else "request"
                with pacer.turn(kinds):
                    order.append(f"buyer {kind}")
                time.sleep(0.03)

    def other() -> None:
        assert held.wait(5)
        with Pacer(FileStore(tmp_path), clock).turn("request"):
            order.append("other")

    run_together(buyer, other)
    assert order == ["buyer request", "buyer create", "other"]
