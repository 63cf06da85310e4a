"""G12: what an earlier version left can be looked at and destroyed by this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.engine import ensured_engine
from support.recorded import restored, versions


def test_there_is_a_recorded_state() -> None:
    assert "0.1.0" in versions()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("version", versions())
def test_g12_a_recorded_state_can_always_be_destroyed(version: str, tmp_path: Path) -> None:
    rental = restored(version, tmp_path, ensured_engine())
    try:
        assert len(rental.market.active_orders()) == 1, "the recorded order is still billing"
        looked = rental.preview()
        assert looked.code == 0, looked.text
        assert set(looked.changes) <= {"same", "update"}, "nothing that runs is made anew"
        assert rental.market.ledger()["posts"] == 1, "a preview posts nothing"
        ended = rental.destroy()
        assert ended.code == 0, ended.text
        assert rental.market.active_orders() == []
    finally:
        rental.close()
        rental.market.stop()
