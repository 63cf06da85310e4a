"""The engine that `make up` uses, for the real engines' tests."""

from __future__ import annotations

import pytest

from support.engine import Engine, ensured_engine


@pytest.fixture(scope="session")
def ours() -> Engine:
    return ensured_engine()
