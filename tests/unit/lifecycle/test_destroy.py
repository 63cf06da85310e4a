"""A destroy of several leases that fails half way: the others end, and the rest is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clore_inference.errors import NotYetGone
from clore_inference.host.attest import HostRequirement
from clore_inference.lifecycle import lease
from clore_inference.lifecycle.session import Session
from clore_inference.secret import Secret
from support.lease_world import PROJECT, Stack, World, new_world
from support.ledger_judge import assert_no_breach, assert_none_left

LEASES = 3
FOR_EVER = 400


def fleet() -> tuple[World, list[dict[str, Any]]]:
    """A world with some leases, and the state of each."""
    world = new_world()
    stacks = [Stack() for _ in range(LEASES)]
    for stack in stacks:
        world.up(stack)
        world.clock.time += 120
    return world, [state_of(world, stack) for stack in stacks]


def state_of(world: World, stack: Stack) -> dict[str, Any]:
    assert stack.guard is not None
    assert stack.lease is not None
    accepted = {"host_key": "ssh-ed25519 AAAA", "gpus": [], "python": "3.12"}
    requirement = HostRequirement(gpu_names=(), gpu_count=0, min_gpu_memory_mib=0)
    return {
        "project": PROJECT,
        "lease_id": stack.guard["lease_id"],
        "account": list(stack.guard["account"]),
        "request": world.request.model_dump_json(),
        "requirement": requirement.model_dump_json(),
        "order_id": str(stack.lease["order_id"]),
        "server_id": str(stack.lease["server_id"]),
        "held": json.dumps({**stack.lease, "accepted": accepted}),
        "lost": "",
    }


def destroyed(world: World, states: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """Delete each lease as `--continue-on-error` does; return those that failed, with what they said."""
    session = Session(
        api_url="http://127.0.0.1:1",
        api_key=Secret("k" * 32),
        time_scale=1,
        engine_alive=lambda: True,
        say=world.said.append,
        warn=world.said.append,
        _marketplace=world.market(),
    )
    failed = []
    for state in states:
        try:
            lease.delete(session, state)
        except NotYetGone as error:
            failed.append((state, str(error)))
    return failed


@pytest.mark.parametrize("k", range(1, LEASES + 1))
@pytest.mark.parametrize("fault", ["fails", "lies"])
def test_g2_an_api_that_fails_from_the_kth_cancel_on_ends_the_others_and_names_what_burns(
    k: int, fault: str
) -> None:
    world, states = fleet()
    world.double.faults["cancel_order"] = [*[""] * (k - 1), *[fault] * FOR_EVER]
    failed = destroyed(world, states)
    assert [state["order_id"] for state, _ in failed] == [
        one["order_id"] for one in states[k - 1 :]
    ]
    assert {order.id for order in world.double.active()} == {
        int(state["order_id"]) for state, _ in failed
    }
    for state, text in failed:
        assert "What may still be burning:" in text
        assert f"\n  {state['order_id']}" in text
        assert f"sweep --lease {state['lease_id']} --cancel" in text
        assert "`pulumi destroy` again" in text

    world.double.faults.clear()
    world.clock.time += 300
    assert destroyed(world, [state for state, _ in failed]) == []
    assert_none_left(world)
    assert_no_breach(world)
