"""A provider process that nobody needs any more ends by itself; Pulumi ends none."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from support.chaos.c1 import Stack

pytestmark = pytest.mark.slow


def test_an_idle_orphan_ends_within_seconds(make_stack: Callable[..., Stack]) -> None:
    process = make_stack().process()
    stack = make_stack()
    process.create(stack.providers.guard, {"project": "p", "ports": ["22", "8000"]})
    begun = time.monotonic()
    process.abandon()
    process.ended()
    process.close()
    assert time.monotonic() - begun < 15, "an orphan keeps its process, its memory and its port"


def test_a_provider_lives_as_long_as_its_engine(make_stack: Callable[..., Stack]) -> None:
    process = make_stack().process()
    process.create(make_stack().providers.guard, {"project": "p", "ports": ["22", "8000"]})
    time.sleep(3)
    assert process.process.poll() is None
    process.close()
