"""Kills, pauses and delays at a point of the protocol."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from clore_emulator.api.reply import ConnectionDropped
from support.emulated import Emulated

from .proof import active, proves


@contextmanager
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, which does nothing until it is ended."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        yield process
        process.kill()


@proves("kill")
def _kill(market: Emulated) -> None:
    with victim() as one:
        market.arm(do="kill", pid=one.pid, on="create_order", phase="after_commit")
        with pytest.raises(ConnectionDropped):
            market.create()
        assert one.wait(timeout=10) == -signal.SIGKILL
    assert len(active(market)) == 1, "killed between commit and answer: the order exists"
    with victim() as one:
        market.arm(do="kill", pgid=one.pid, on="create_order")
        with pytest.raises(ConnectionDropped):
            market.create(98008)
        assert one.wait(timeout=10) == -signal.SIGKILL
    assert len(active(market)) == 1, "killed before: the market never got the request"
    with victim() as one:
        market.arm(do="kill", pid=one.pid, on="create_order", phase="after_answer")
        assert market.create(98008).json() == {"code": 0}
        assert one.wait(timeout=10) == -signal.SIGKILL


@proves("pause")
def _pause(market: Emulated) -> None:
    market.arm(do="pause", name="here", on="create_order", phase="after_commit")
    portal = market.client.portal
    assert portal is not None
    waiting = portal.start_task_soon(asyncio.to_thread, market.create)
    while not market.admin("GET", "")["paused"]:
        pass
    assert len(active(market)) == 1, "held between commit and answer"
    assert not waiting.done()
    assert market.admin("POST", "/release", {"name": "here"}) == {"released": 1}
    assert waiting.result(timeout=10).json() == {"code": 0}


@proves("delay")
def _delay(market: Emulated) -> None:
    market.arm(do="delay(0)", on="wallets")
    assert market.get("/v1/wallets").json()["code"] == 0
