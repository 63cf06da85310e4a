"""What lives on an order: how it goes with it, what runs it again, and that nothing else does."""

from __future__ import annotations

import asyncio
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from clore_inference import MistralDeployment
from clore_inference.host.following import follow_command

LOOP = asyncio.new_event_loop()
"""Whatever ran before may have left this thread without one. It stays open: tasks outlive a test."""
COMMANDS = ("weights-start", "weights-follow", "engine-start", "engine-follow")
ON_THE_ORDER = (*COMMANDS, "engine-liveness", "health-probe")


class Engine(mocks.Mocks):
    """Answers with what it was given."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return {}, None


@pytest.fixture(scope="module")
def registered() -> dict[str, pulumi.ResourceTransformationArgs]:
    """Every resource of a deployment with its options, by the end of its name."""
    asyncio.set_event_loop(LOOP)
    mocks.set_mocks(Engine(), project="tests", stack="unit", preview=True)
    seen: dict[str, pulumi.ResourceTransformationArgs] = {}

    def note(args: pulumi.ResourceTransformationArgs) -> None:
        seen[args.name.removeprefix("llm-").removeprefix("g1-")] = args

    watched = pulumi.ResourceOptions(transformations=[note])
    wishes: Any = {"license_use": "research", "max_usd_per_day": "48"}
    MistralDeployment("llm", wishes, watched)
    return seen


@pytest.mark.parametrize("name", ON_THE_ORDER)
def test_a_part_on_an_order_goes_with_its_lease_and_is_replaced_never_updated(
    registered: dict[str, pulumi.ResourceTransformationArgs], name: str
) -> None:
    lease, part = registered["order-lease"].resource, registered[name]
    assert part.opts.deleted_with is lease
    assert part.opts.replace_with == [lease]
    assert part.opts.delete_before_replace
    assert not part.props.get("delete"), "what lives on an order ends with it, and needs no SSH"


@pytest.mark.parametrize("name", COMMANDS)
def test_only_triggers_run_a_command_again(
    registered: dict[str, pulumi.ResourceTransformationArgs], name: str
) -> None:
    part = registered[name]
    ignored = set(part.opts.ignore_changes or [])
    given = {word for word, value in part.props.items() if value is not None}
    quiet = {"add_previous_output_in_env", "triggers"}
    assert given - quiet <= ignored, "a package upgrade or another relay port restarts nothing"
    assert "triggers" not in ignored
    assert part.props["triggers"]


def test_the_guard_and_the_lease_stay_until_something_asks_for_another(
    registered: dict[str, pulumi.ResourceTransformationArgs],
) -> None:
    assert registered["order-lease"].opts.delete_before_replace
    assert not registered["order-guard"].opts.delete_before_replace, "its sweep comes last"


@pytest.mark.parametrize("kind", ["weights", "engine"])
def test_a_follower_takes_the_shells_place_so_that_ctrl_c_reaches_it(kind: Any) -> None:
    assert follow_command(kind).startswith("exec ")
