"""The real engine, the real program, and an emulated marketplace with its own ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine import Engine, ensured_engine
from support.market import Market
from support.rental import MakeRental, Rental


@pytest.fixture(scope="session")
def ours() -> Engine:
    """The engine that `make up` uses."""
    return ensured_engine()


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    running = Market.start(tmp_path / "market", "--liars", "none")
    yield running
    running.stop()


@pytest.fixture
def make_rental(ours: Engine, market: Market, tmp_path: Path) -> Iterator[MakeRental]:
    made: list[Rental] = []

    def make(name: str = "rental", **settings: str) -> Rental:
        rental = Rental.create(tmp_path / name, ours, market, **settings)
        made.append(rental)
        return rental

    yield make
    for rental in made:
        rental.close()


@pytest.fixture
def rental(make_rental: MakeRental) -> Rental:
    return make_rental()
