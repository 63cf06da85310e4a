"""A wrong wish is refused at construction, with every finding, before any resource exists."""

from __future__ import annotations

import asyncio
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from clore_inference import MistralDeployment

LOOP = asyncio.new_event_loop()
"""Whatever ran before may have left this thread without one. It stays open: tasks outlive a test."""


class Engine(mocks.Mocks):
    """Records what a program registers."""

    def __init__(self) -> None:
        self.registered: list[str] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args.typ)
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return {}, None


@pytest.fixture
def engine() -> Engine:
    asyncio.set_event_loop(LOOP)
    recorder = Engine()
    mocks.set_mocks(recorder, project="tests", stack="unit", preview=True)
    return recorder


def test_every_finding_is_raised_at_once_and_no_resource_is_registered(engine: Engine) -> None:
    wrong: Any = {
        "topology": "3xH100",
        "max_usd_per_day": "0",
        "max_model_length": 65536,
        "max_model_len": "many",
    }
    with pytest.raises(pulumi.RunError) as refused:
        MistralDeployment("llm", wrong)
    text = str(refused.value)
    for named in ("topology", "maxUsdPerDay", "maxModelLen", "maxModelLength", "licenseUse"):
        assert named in text, f"{named} is among the findings"
    assert "clore:index:MistralDeployment" not in engine.registered


def test_a_lock_of_ones_own_that_cannot_be_read_is_said_before_anything_is_bought(
    engine: Engine,
) -> None:
    wrong: Any = {"license_use": "evaluation", "max_usd_per_day": "60", "engine_lock": "/no/lock"}
    with pytest.raises(pulumi.RunError, match="engineLock /no/lock cannot be read"):
        MistralDeployment("llm", wrong)
    assert engine.registered == []
