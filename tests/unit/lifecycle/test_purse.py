"""What the account can pay for, and when its order ends: read from the account, never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clore_inference.errors import ListingFailed
from clore_inference.lifecycle.purse import Purse, looked
from support.lease_world import PROJECT, Stack, World, new_world

USD = "USD-Blockchain"


def look(world: World, currency: str = USD, project: str | None = PROJECT) -> Purse:
    return looked(world.market(), currency, within_real_s=60, project=project)


def test_the_wallet_that_pays_is_read() -> None:
    world = new_world(balance=22.7)
    assert look(world).wallet_usd == Decimal("22.7")
    assert look(world).lines() == ("The USD-Blockchain wallet holds 22.70 USD.",)


def test_a_wallet_that_is_not_there_is_worth_nothing_that_can_be_told() -> None:
    seen = look(new_world(balance=22.7), "CLORE-Blockchain")
    assert seen.wallet_usd is None
    assert "nothing that can be told" in seen.lines()[0]


def test_the_one_order_of_the_project_tells_when_it_ends() -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    seen = look(world)
    assert seen.orders == 1
    assert seen.term_hours is not None
    assert seen.term_hours > 0
    assert "The order of this project ends in" in seen.lines()[1]
    assert look(world, project="another").orders == 0, "orders of other projects are not ours"


def test_of_several_orders_nobody_can_tell_whose_end_is_meant() -> None:
    world = new_world()
    world.up(Stack())
    world.up(Stack())
    seen = look(world)
    assert (seen.orders, seen.term_hours) == (2, None)
    assert "doctor --stack NAME" in seen.lines()[1]


def test_an_account_that_does_not_answer_is_not_taken_for_an_empty_one() -> None:
    world = new_world()
    world.double.faults["wallets"] = ["drop"]
    with pytest.raises(ListingFailed):
        look(world)


def test_what_was_learnt_is_plain_json() -> None:
    assert Purse(USD, Decimal("22.70"), 1, 5.5).as_dict() == {
        "currency": USD, "wallet_usd": "22.70", "orders": 1, "term_hours": 5.5,
    }  # fmt: skip
