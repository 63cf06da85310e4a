"""Every fault of the table does what its sentence says, and the documentation has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from clore_emulator.api.known import signature
from clore_emulator.api.reply import ConnectionDropped
from clore_emulator.faults import REGISTRY, Fault
from support.emulated import Emulated, emulated
from support.fault_proofs import hooks, on_answers, on_listings, on_servers
from support.fault_proofs.proof import PROOFS, RecordingHosts

EVERYWHERE = (on_answers, on_listings, on_servers, hooks)
"""Importing them enters their proofs."""

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "emulator.md"


@pytest.fixture
def market() -> Iterator[Emulated]:
    with emulated(hosts=RecordingHosts()) as opened:
        yield opened


def test_every_registered_fault_is_proven_here() -> None:
    assert set(PROOFS) == set(REGISTRY)


def documented(fault: Fault) -> str:
    """The row of a fault in the user's page."""
    phase = "any" if fault.any_phase else fault.phase
    parameters = ", ".join(f"{one.name} = {one.default}" for one in fault.parameters)
    return f"| `{signature(fault)}` | {phase} | {fault.summary} | {parameters} |"


def test_every_registered_fault_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    missing = [row for fault in REGISTRY.values() if (row := documented(fault)) not in text]
    assert missing == [], "docs/emulator.md has one row for every fault; add these"


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_fault(name: str, market: Emulated) -> None:
    PROOFS[name](market)
    fired = {fault for entry in market.world.exchange.ledger.requests for fault in entry.faults}
    assert name in fired, "the request log names the fault"


def test_the_kill_hook_never_ends_the_emulator_or_the_whole_machine(market: Emulated) -> None:
    for target in ({"pid": os.getpid()}, {"pid": 1}, {"pid": 0}, {"pgid": os.getpgrp()}):
        market.arm(do="kill", on="wallets", **target)
        with pytest.raises(ConnectionDropped):
            market.get("/v1/wallets")
