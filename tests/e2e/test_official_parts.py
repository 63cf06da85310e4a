"""The same program on the official language host and command plugin, where this machine has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.engine import HOW_TO_GET_OFFICIAL, official_engine
from support.market import Market
from support.rental import Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.official]


def test_official_parts_bring_the_same_endpoint_up_change_it_and_end_it(
    market: Market, tmp_path: Path
) -> None:
    engine = official_engine(tmp_path)
    if engine is None:
        pytest.skip(HOW_TO_GET_OFFICIAL)
    rental = Rental.create(tmp_path / "rental", engine, market)
    try:
        first = rental.up()
        assert first.code == 0, first.text
        order = rental.order_id()
        again = rental.up()
        assert set(again.changes) == {"same"}, again.text
        rental.configure(maxModelLen="32768")
        changed = rental.up()
        assert changed.code == 0, changed.text
        assert rental.order_id() == order
        assert rental.destroy().code == 0
        assert market.active_orders() == []
    finally:
        rental.close()
