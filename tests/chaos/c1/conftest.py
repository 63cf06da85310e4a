"""One emulator for all runs of a file: each run is judged by what changed in its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.chaos.c1 import Stack
from support.chaos.controls import REAL, Providers
from support.market import Market


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    running = Market.start(tmp_path_factory.mktemp("market"), "--liars", "none")
    yield running
    running.stop()


class MakeStack:
    """Makes stacks, each on a machine of its own."""

    def __init__(self, market: Market, directory: Path) -> None:
        self._market = market
        self._directory = directory
        self._made = 0

    def __call__(self, providers: Providers = REAL) -> Stack:
        self._made += 1
        return Stack(self._market, self._directory / str(self._made), providers)


@pytest.fixture
def make_stack(market: Market, tmp_path: Path) -> MakeStack:
    return MakeStack(market, tmp_path)
