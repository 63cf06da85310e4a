"""The life of a lease as its diff and its delete tell it: ids, money, and what to run next."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from clore_inference.errors import NotYetGone, WrongAccount
from clore_inference.host.attest import HostRequirement
from clore_inference.lifecycle import lease
from clore_inference.lifecycle.session import Session
from clore_inference.market.order import HeldOrder
from clore_inference.secret import Secret
from support.lease_world import PROJECT, Stack, World, new_world

HOUR_S = 3600.0


@dataclass
class Told:
    """A session in a world, and what it said."""

    world: World
    stack: Stack
    warned: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, **double: Any) -> Told:
        world, stack = new_world(**double), Stack()
        world.up(stack)
        world.clock.time += HOUR_S
        return cls(world, stack)

    def session(self, key: str | None = "k" * 32) -> Session:
        return Session(
            api_url="http://127.0.0.1:1",
            api_key=Secret(key) if key else None,
            time_scale=1,
            engine_alive=lambda: True,
            say=self.world.said.append,
            warn=self.warned.append,
            _marketplace=self.world.market(),
        )

    @property
    def held(self) -> HeldOrder:
        facts = {"host_key": "ssh-ed25519 AAAA", "gpus": [], "python": "3.12"}
        return HeldOrder.model_validate({**(self.stack.lease or {}), "accepted": facts})

    @property
    def state(self) -> dict[str, Any]:
        assert self.stack.guard is not None
        requirement = HostRequirement(gpu_names=(), gpu_count=0, min_gpu_memory_mib=0)
        return {
            "project": PROJECT,
            "lease_id": self.stack.guard["lease_id"],
            "account": list(self.stack.guard["account"]),
            "request": self.world.request.model_dump_json(),
            "requirement": requirement.model_dump_json(),
            "order_id": str(self.held.order_id),
            "server_id": str(self.held.server_id),
            "held": self.held.model_dump_json(),
            "lost": "",
        }

    def diff(self, **changes: Any) -> tuple[str, ...]:
        return lease.diff(self.session(), {**self.state, **changes}, self.state).replaces

    @property
    def text(self) -> str:
        return " ".join(self.warned)


def test_a_healthy_order_far_from_its_end_says_nothing() -> None:
    told = Told.of()
    assert told.diff() == ()
    assert told.warned == []


@pytest.mark.parametrize("by", ["human", "outbid", "host", "market"])
def test_a_lost_order_says_when_why_what_it_cost_and_what_next(by: str) -> None:
    told = Told.of()
    told.world.double.end(told.world.double.active()[0], by)
    assert told.diff() == ("lost",)
    for part in (
        f"order {told.held.order_id} on server 101 ended",
        "29 d 22 h before its term",
        "the API does not say which",
        "It cost 1.86 USD",
        "at most 50.00 USD a day",
        "`pulumi destroy`",
    ):
        assert part in told.text, (part, told.text)


def test_an_outbid_spot_order_says_so_first(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told.of()
    row = told.world.double._row
    monkeypatch.setattr(told.world.double, "_row", lambda order: row(order) | {"spot": True})
    told.world.double.end(told.world.double.active()[0], "outbid")
    assert told.diff() == ("lost",)
    assert "before its term: outbid" in told.text


def test_a_server_that_is_offline_is_a_warning_with_its_cost_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told.of()
    row = told.world.double._row
    monkeypatch.setattr(told.world.double, "_row", lambda order: row(order) | {"online": False})
    assert told.diff() == (), "unreachable is not gone"
    for part in (
        f"server 101 of order {told.held.order_id} is offline",
        "1.75 USD an hour",
        "`generation`",
        "`pulumi destroy`",
    ):
        assert part in told.text, part


def test_a_row_that_says_nothing_of_its_server_is_no_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told.of()
    row = told.world.double._row
    monkeypatch.setattr(told.world.double, "_row", lambda order: row(order) | {"online": None})
    assert told.diff() == ()
    assert told.warned == []


def test_an_expired_order_is_told_apart_from_one_that_was_ended() -> None:
    told = Told.of()
    told.world.clock.time += 30 * 24 * HOUR_S
    assert told.diff() == ("lost",)
    assert "its term is over" in told.text
    assert "after 30 d" in told.text


def test_a_loss_that_a_refresh_saw_is_told_again_by_the_next_up() -> None:
    told = Told.of()
    told.world.double.end(told.world.double.active()[0], "human")
    known = lease.read(told.session(), told.state)
    assert known["lost"] in told.text
    told.warned.clear()
    assert told.diff(lost=known["lost"]) == ("lost",)
    assert known["lost"] in told.text


def test_new_keys_replace_an_order_whose_host_knows_only_the_old_ones() -> None:
    told = Told.of()
    request = told.world.request.model_copy(update={"ssh_public_key": "ssh-ed25519 BBBB new"})
    inputs = {**told.state, "request": request.model_dump_json()}
    assert lease.diff(told.session(), told.state, inputs).replaces == ("request",)
    assert f"the host of order {told.held.order_id} knows only the old" in told.text
    assert "at most 50.00 USD a day" in told.text


def test_an_update_keeps_the_image_that_the_order_was_bought_with() -> None:
    told = Told.of()
    request = told.world.request.model_copy(update={"image": "lmsysorg/sglang:v0.5.23"})
    inputs = {**told.state, "request": request.model_dump_json()}
    updated = lease.update(told.session(), told.state, inputs)
    kept = json.loads(updated["request"])["image"]
    assert kept == told.world.request.image, "another engine is installed beside it"


def test_a_replaced_guard_replaces_its_lease_and_says_so() -> None:
    told = Told.of()
    inputs = {**told.state, "lease_id": "f" * 32}
    assert lease.diff(told.session(), told.state, inputs).replaces == ("lease_id",)
    assert f"its guard was replaced, which ends order {told.held.order_id}" in told.text


@pytest.mark.parametrize("ask", [lease.diff, lease.read])
def test_another_accounts_key_is_refused_before_anything_is_decided(ask: Any) -> None:
    told = Told.of()
    told.world.double.deposit = "usd1somebody"
    told.world.clock.time += 2 * HOUR_S
    inputs = (told.state,) * (2 if ask is lease.diff else 1)
    with pytest.raises(WrongAccount, match="another account"):
        ask(told.session(), *inputs)


def test_a_term_that_nears_its_end_is_a_warning_with_the_way_to_a_successor() -> None:
    told = Told.of()
    ends_at = told.held.ends_at
    told.world.clock.time += 29 * 24 * HOUR_S
    assert told.diff() == ()
    assert "ends in 22 h" in told.text
    assert "`generation`" in told.text
    assert datetime.fromtimestamp(ends_at, UTC).strftime("%Y-%m-%d %H:%M UTC") in told.text


def test_a_short_term_warns_only_in_its_last_quarter() -> None:
    world, stack = new_world(), Stack()
    for row in world.double.servers.values():
        row["mrl"] = 8
    world.up(stack)
    told = Told(world, stack)
    world.clock.time += HOUR_S
    assert told.diff() == ()
    assert told.warned == []
    world.clock.time += 5.5 * HOUR_S
    told.diff()
    assert "ends in 1 h" in told.text


def test_a_wallet_that_runs_dry_is_told_without_asking_more() -> None:
    told = Told.of(balance=60)
    told.world.double.balance = 20
    told.world.double.human_rents(104, "someone/else:v1")
    told.world.double.calls.clear()
    told.diff()
    assert "the USD-Blockchain wallet has 20.00 USD, which lasts for 5 h 42 min" in told.text
    assert "2 order(s)" in told.text
    assert [name for _, name in told.world.double.calls] == ["wallets", "my_orders"]


def test_a_full_wallet_says_nothing() -> None:
    assert Told.of(balance=5000).diff() == ()


@pytest.mark.parametrize(
    ("trouble", "because"),
    [
        ({"cancel_order": ["lies"] * 99}, "is not proven"),
        ({"my_orders": ["fails"] * 99}, "database error"),
        ({"my_orders": ["revoked"] * 9}, "the API key is refused"),
    ],
    ids=["a-cancel-that-lies", "an-api-that-fails", "a-revoked-key"],
)
def test_g2_a_destroy_that_fails_is_a_table_of_what_burns_and_what_ends_it(
    trouble: dict[str, list[str]], because: str
) -> None:
    told = Told.of()
    told.world.double.faults.update(trouble)
    with pytest.raises(NotYetGone) as failed:
        lease.delete(told.session(), told.state)
    text = str(failed.value)
    assert because in text
    head, row = text.split("\n")[-3:-1]
    assert head.split()[:3] == ["order", "server", "USD/h"]
    assert row.split()[:3] == [str(told.held.order_id), "101", "1.75"]
    assert f"clore-inference sweep --lease {told.state['lease_id']} --cancel" in text
    assert len(told.world.double.active()) == 1


def test_a_destroy_with_another_accounts_key_names_what_goes_on_burning() -> None:
    told = Told.of()
    told.world.double.deposit = "usd1somebody"
    with pytest.raises(NotYetGone, match=r"another account(.|\n)*1\.75"):
        lease.delete(told.session(), told.state)


def test_a_destroy_without_a_key_names_what_goes_on_burning() -> None:
    told = Told.of()
    with pytest.raises(NotYetGone, match=r"no Clore API key(.|\n)*1\.75"):
        lease.delete(told.session(key=None), told.state)
