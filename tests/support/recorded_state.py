"""A world with an order, and what a Pulumi state says of it."""

from __future__ import annotations

import json
from typing import Any

from .lease_world import PROJECT, Stack, World, new_world

GUARD = f"urn:pulumi:h100::{PROJECT}::pulumi-python:dynamic/clore:LeaseGuard::g"
LEASE = f"urn:pulumi:h100::{PROJECT}::pulumi-python:dynamic/clore:Lease::l"


def lost() -> tuple[World, Stack]:
    """An order, ten minutes old, whose state is gone."""
    world, stack = new_world(), Stack()
    world.up(stack)
    world.clock.time += 600
    world.double.calls.clear()
    return world, stack


def lease_id(stack: Stack) -> str:
    assert stack.guard is not None
    return str(stack.guard["lease_id"])


def order_id(stack: Stack) -> int:
    assert stack.lease is not None
    return int(stack.lease["order_id"])


def state(stack: Stack, *, held: bool, pending: bool = False, account: Any = None) -> str:
    assert stack.guard is not None
    account = stack.guard["account"] if account is None else account
    guard = {
        "urn": GUARD,
        "type": "pulumi-python:dynamic/clore:LeaseGuard",
        "outputs": {"lease_id": lease_id(stack), "account": list(account)},
    }
    lease = {
        "urn": LEASE,
        "type": "pulumi-python:dynamic/clore:Lease",
        "outputs": {"order_id": str(order_id(stack))},
    }
    operation = {"type": "creating", "resource": {"urn": LEASE}}
    deployment = {
        "resources": [guard, *([lease] if held else [])],
        "pending_operations": [operation] if pending else [],
    }
    return json.dumps({"version": 3, "deployment": deployment})


def ids(world: World) -> list[int]:
    return [order.id for order in world.double.active()]
