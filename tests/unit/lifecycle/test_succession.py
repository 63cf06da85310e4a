"""A lease that left the program ends only after what follows it has proven itself."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from clore_inference.errors import ListingFailed, NothingFits, NotYetGone
from clore_inference.host.attest import HostRequirement
from clore_inference.lifecycle import guard, lease
from clore_inference.lifecycle.session import Session
from clore_inference.lifecycle.succession import Succession
from clore_inference.secret import Secret
from support.lease_world import PROJECT, Stack, World, new_world

PROOF = {"awaits_proof": "true"}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Succession:
    """What a new process knows: nothing."""
    fresh = Succession()
    for module in (lease, guard):
        monkeypatch.setattr(module, "SUCCESSION", fresh)
    return fresh


def session(world: World) -> Session:
    return Session(
        api_url="http://127.0.0.1:1",
        api_key=Secret("k" * 32),
        time_scale=1,
        engine_alive=lambda: True,
        say=world.said.append,
        warn=world.said.append,
        _marketplace=world.market(),
    )


def state(world: World, stack: Stack) -> dict[str, Any]:
    assert stack.guard is not None
    assert stack.lease is not None
    requirement = HostRequirement(gpu_names=(), gpu_count=0, min_gpu_memory_mib=0)
    accepted = {"host_key": "ssh-ed25519 AAAA", "gpus": [], "python": "3.12"}
    return {
        **PROOF,
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


@pytest.fixture
def two() -> tuple[World, dict[str, Any], dict[str, Any]]:
    """The lease that serves, and its successor, both with an order."""
    world, first, second = new_world(), Stack(), Stack()
    world.up(first)
    world.up(second)
    return world, state(world, first), state(world, second)


Two = tuple[World, dict[str, Any], dict[str, Any]]


def test_an_order_whose_successor_is_not_proven_is_kept(known: Succession, two: Two) -> None:
    world, first, second = two
    lease.diff(session(world), second, second)
    with pytest.raises(NotYetGone) as refused:
        lease.delete(session(world), first)
    for part in (
        f"order {first['order_id']} on server 101 is kept",
        "1.75 USD an hour",
        f"order {second['order_id']}) is not proven",
        "`pulumi up`",
        "`pulumi destroy`",
    ):
        assert part in str(refused.value), part
    assert len(world.double.active()) == 2


def test_once_the_successor_is_proven_the_first_order_ends(known: Succession, two: Two) -> None:
    world, first, second = two
    lease.diff(session(world), second, second)
    known.proven(second["order_id"])
    lease.delete(session(world), first)
    assert [str(order.id) for order in world.double.active()] == [second["order_id"]]


def test_a_destroy_which_wants_no_lease_ends_all(known: Succession, two: Two) -> None:
    world, first, second = two
    lease.delete(session(world), first)
    lease.delete(session(world), second)
    assert not world.double.active()


def test_a_lease_that_is_replaced_ends_before_anything_is_proven(
    known: Succession, two: Two
) -> None:
    world, first, second = two
    for one in (first, second):
        lease.diff(session(world), one, one)
    lease.delete(session(world), first)
    assert len(world.double.active()) == 1


def test_a_lost_order_is_not_kept_for_anybody(known: Succession, two: Two) -> None:
    world, first, second = two
    world.double.end(world.double.active()[0], "human")
    lease.diff(session(world), second, second)
    lease.delete(session(world), {**first, "lost": "it ended"})


def test_a_successor_without_a_health_check_holds_nothing_up(known: Succession, two: Two) -> None:
    world, first, second = two
    alone = {name: value for name, value in second.items() if name != "awaits_proof"}
    lease.diff(session(world), alone, alone)
    lease.delete(session(world), first)
    assert len(world.double.active()) == 1


def test_a_successor_whose_guard_could_not_be_made_is_not_proven_either(
    known: Succession, two: Two
) -> None:
    world, first, _ = two
    world.double.faults["wallets"] = ["revoked"]
    with pytest.raises(ListingFailed):
        guard.create(session(world), {**PROOF, "project": PROJECT, "ports": ["22", "8000"]})
    with pytest.raises(NotYetGone, match="its order, which does not run yet"):
        lease.delete(session(world), first)


def test_a_successor_that_nobody_sells_ends_nothing(known: Succession, two: Two) -> None:
    world, first, second = two
    dear = world.request.model_copy(update={"max_usd_per_day": Decimal(1)})
    wanted = {**second, "request": dear.model_dump_json(), "lease_id": "c" * 32, "private_key": "-"}
    with pytest.raises(NothingFits):
        lease.create(session(world), wanted)
    with pytest.raises(NotYetGone, match="its order, which does not run yet"):
        lease.delete(session(world), first)


def test_a_guard_stands_for_its_lease_until_that_has_an_order(known: Succession) -> None:
    world = new_world()
    drawn = guard.create(session(world), {**PROOF, "project": PROJECT, "ports": ["22", "8000"]})
    assert known.in_the_way("another") == "its order, which does not run yet"
    known.awaits(drawn["lease_id"], "7")
    assert known.in_the_way("another") == "order 7"
    known.proven("7")
    assert known.in_the_way("another") is None
