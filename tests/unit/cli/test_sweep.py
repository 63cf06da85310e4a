"""Finding orders without any state, and ending exactly those that were meant."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from clore_inference.cli import sweep as command
from clore_inference.cli.billing import Bill
from clore_inference.cli.survey import Known, surveyed
from clore_inference.cli.sweep import confirmed, decide, ended
from clore_inference.errors import ConfigError, NotYetGone, WrongAccount
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.store import FileStore
from clore_inference.market.sweep import Condemned, end_condemned
from support.lease_world import PROJECT, Stack, World, new_world
from support.ledger_judge import assert_no_breach
from support.program import Ran, program
from support.recorded_state import ids, lease_id, lost, order_id, state


@pytest.fixture
def sweeping(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the program against a world."""

    def run(world: World, *options: str) -> Ran:
        monkeypatch.setattr(command, "market_of", lambda *_: world.market())
        monkeypatch.setattr("sys.stdin", io.StringIO())
        return program("sweep", *options, capsys=capsys)

    return run


def no_pulumi(arguments: Sequence[str]) -> CompletedProcess[str]:
    raise AssertionError(arguments)


def test_g3_without_a_word_nothing_is_cancelled_and_the_bill_is_named(sweeping: Any) -> None:
    world, stack = lost()
    world.double.human_rents(104, "someone/else:v1")
    ran = sweeping(world)
    assert ran.code == 4, "an order is billing that no state accounts for"
    assert f"{order_id(stack)}   101" in ran.out
    assert "project's only" in ran.out
    assert "USD/h" in ran.out
    assert "1 order(s) of others, untouched" in ran.out
    assert not [name for _, name in world.double.calls if name == "cancel_order"]


def test_a_clean_account_ends_with_0(sweeping: Any) -> None:
    world = new_world()
    world.double.human_rents(104, "someone/else:v1")
    assert sweeping(world).code == 0


def test_g3_a_full_mark_ends_its_order_verified_and_no_other(sweeping: Any) -> None:
    world, mine = lost()
    other = Stack()
    world.up(other)
    stranger = world.double.human_rents(104, "someone/else:v1")
    world.clock.time += 600
    ran = sweeping(world, "--lease", lease_id(mine), "--cancel", "--yes", "--json")
    document = json.loads(ran.out)
    assert ids(world) == [order_id(other)]
    assert stranger.ended is None
    results = {row["order_id"]: row["result"] for row in document["orders"]}
    assert results == {order_id(mine): "ended", order_id(other): None}
    assert document["others"] == 1
    assert ran.code == 4, "the other clone's order is still unaccounted for"
    assert_no_breach(world)


def test_g3_a_part_of_the_mark_is_ended_only_by_its_typed_id(
    sweeping: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, stack = lost()
    answers = iter(["y", str(order_id(stack))])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    assert sweeping(world, "--cancel", "--yes").code == 4
    assert ids(world) == [order_id(stack)], "yes is no id"
    ran = sweeping(world, "--cancel")
    assert (ran.code, ids(world)) == (0, [])
    assert "ended, verified" in ran.out


def test_without_a_person_the_prompt_is_a_no(sweeping: Any) -> None:
    world, stack = lost()
    assert sweeping(world, "--cancel", "--yes").code == 4
    assert ids(world) == [order_id(stack)]


def test_an_order_that_is_named_twice_over_is_ended(sweeping: Any) -> None:
    world, stack = lost()
    other = Stack()
    world.up(other)
    world.clock.time += 600
    ran = sweeping(world, "--order", str(order_id(stack)), "--yes")
    assert ids(world) == [order_id(other)]
    assert ran.code == 4


def test_g3_an_order_of_somebody_else_cannot_even_be_named(sweeping: Any) -> None:
    world = new_world()
    stranger = world.double.human_rents(104, "someone/else:v1")
    world.clock.time += 600
    ran = sweeping(world, "--order", str(stranger.id), "--yes")
    assert ran.code == 1
    assert stranger.ended is None
    assert "left alone" in ran.err


def test_an_order_held_by_a_state_is_left_to_destroy(sweeping: Any, tmp_path: Path) -> None:
    world, stack = lost()
    (tmp_path / "state.json").write_text(state(stack, held=True))
    options = ["--state-file", str(tmp_path / "state.json"), "--cancel", "--yes"]
    ran = sweeping(world, *options)
    assert (ran.code, ids(world)) == (0, [order_id(stack)])
    assert "pulumi destroy" in ran.out


def test_an_order_that_its_own_guard_lost_is_ended_by_the_states_mark(
    sweeping: Any, tmp_path: Path
) -> None:
    world, stack = lost()
    document = json.loads(state(stack, held=False))
    backend = {"version": 3, "checkpoint": {"stack": "s", "latest": document["deployment"]}}
    (tmp_path / "h100.json").write_text(json.dumps(backend))
    ran = sweeping(world, "--state-file", str(tmp_path / "h100.json"), "--cancel", "--yes")
    assert (ran.code, ids(world)) == (0, [])


def test_an_interrupted_update_is_for_recover_not_for_sweep(sweeping: Any, tmp_path: Path) -> None:
    world, stack = lost()
    (tmp_path / "state.json").write_text(state(stack, held=False, pending=True))
    ran = sweeping(world, "--state-file", str(tmp_path / "state.json"), "--cancel", "--yes")
    assert (ran.code, ids(world)) == (4, [order_id(stack)])
    assert "clore-inference recover" in ran.out


def test_another_accounts_key_is_refused_before_anything_is_cancelled(
    sweeping: Any, tmp_path: Path
) -> None:
    world, stack = lost()
    (tmp_path / "state.json").write_text(state(stack, held=False, account=["f" * 32]))
    ran = sweeping(world, "--state-file", str(tmp_path / "state.json"), "--cancel", "--yes")
    assert ran.code == 1
    assert "another account" in ran.err
    assert ids(world) == [order_id(stack)]


def test_a_young_order_is_left_alone_for_a_minute(sweeping: Any) -> None:
    world, stack = new_world(), Stack()
    world.up(stack)
    options = ["--lease", lease_id(stack), "--cancel", "--yes"]
    ran = sweeping(world, *options)
    assert (ran.code, ids(world)) == (4, [order_id(stack)])
    assert "younger than 60 s" in ran.out
    world.clock.time += 60
    assert sweeping(world, *options).code == 0


def test_an_order_without_ports_is_named_and_never_cancelled(sweeping: Any) -> None:
    world = new_world()
    order = world.double.human_rents(104, "someone/else:v1", ports=False)
    world.clock.time += 600
    ran = sweeping(world, "--cancel", "--yes")
    assert ran.code == 4
    assert "kept: no ports" in ran.out
    assert order.ended is None


def test_an_end_that_is_not_proven_is_loud_and_keeps_no_other(sweeping: Any) -> None:
    world, first = lost()
    second = Stack()
    world.up(second)
    world.clock.time += 600
    world.double.faults["cancel_order"] = ["lies", "", *(["lies"] * 20)]
    ran = sweeping(
        world, "--lease", lease_id(first), "--lease", lease_id(second), "--cancel", "--yes"
    )
    assert ran.code == 4
    assert "may still cost" in ran.out
    assert "USD/h" in ran.out.splitlines()[-1]
    assert ids(world) == [order_id(first)]


def test_the_marketplace_is_asked_before_the_states() -> None:
    world, stack = lost()
    asked: list[int] = []

    def pulumi(arguments: Sequence[str]) -> CompletedProcess[str]:
        asked.append(len(world.double.calls))
        return CompletedProcess([], 0, state(stack, held=True), "")

    found = surveyed(world.market(), Known(stacks=("h100",)), pulumi)
    assert asked[0] == 2, "wallets and orders first"
    assert found.loose == ()


def test_what_changed_after_it_was_confirmed_is_left_alone() -> None:
    world, stack = lost()
    held = False

    def pulumi(arguments: Sequence[str]) -> CompletedProcess[str]:
        return CompletedProcess([], 0, state(stack, held=held), "")

    known = Known(stacks=("h100",))
    chosen = confirmed(surveyed(world.market(), known, pulumi), (), yes=True, typed=never)
    held = True
    assert ended(world.market(), known, pulumi, chosen) == {}
    assert ids(world) == [order_id(stack)]


def never(bill: Bill) -> bool:
    raise AssertionError(bill)


def test_a_lease_that_a_process_acts_for_is_left_alone(tmp_path: Path) -> None:
    world, stack = lost()
    market = world.market()
    store = FileStore(tmp_path)
    market = Marketplace(market.client, market.clock, market.fence, store, market.say, "p")
    order = Condemned(order_id(stack), 101, lease_id(stack))
    with store.lock(f"lease-{lease_id(stack)}", lambda: None):
        failed = end_condemned(market, project=PROJECT, account=(), orders=[order])
    assert "another process acts" in str(failed[order.order_id])
    assert ids(world) == [order_id(stack)]


def test_g3_an_order_without_its_mark_is_refused_at_the_last_moment() -> None:
    world = new_world()
    stranger = world.double.human_rents(104, "someone/else:v1")
    world.clock.time += 600
    for lease in ("", "a" * 32):
        order = Condemned(stranger.id, 104, lease)
        failed = end_condemned(world.market(), project=PROJECT, account=(), orders=[order])
        assert isinstance(failed[stranger.id], NotYetGone)
    assert stranger.ended is None


def test_an_unknown_age_counts_as_young() -> None:
    world, _ = lost()
    survey = surveyed(world.market(), Known(), no_pulumi)
    assert decide(Bill(1, 2, "unguarded", None, age_s=None), survey, ()) == "young"
    assert decide(Bill(1, 2, "unguarded", None, age_s=61), survey, ()) == "ask"


@pytest.mark.parametrize("text", ["[]", "{}", "no JSON", '{"deployment_": 1}'])
def test_a_file_that_is_no_state_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(ConfigError, match="is no state"):
        Known(files=(tmp_path / "state.json",)).read(no_pulumi)


def test_a_lease_id_is_checked_before_anything_is_asked() -> None:
    with pytest.raises(ConfigError, match="32 hexadecimal digits"):
        Known.of(None, None, ["h100"], None, None)


def test_states_of_two_projects_are_not_mixed(tmp_path: Path) -> None:
    _, stack = lost()
    one = state(stack, held=True)
    (tmp_path / "1.json").write_text(one)
    (tmp_path / "2.json").write_text(one.replace(PROJECT, "elsewhere"))
    with pytest.raises(ConfigError, match="several projects"):
        Known(files=(tmp_path / "1.json", tmp_path / "2.json")).read(no_pulumi)


def test_a_wrong_account_is_an_error_of_its_own(tmp_path: Path) -> None:
    world, stack = lost()
    (tmp_path / "state.json").write_text(state(stack, held=True, account=["f" * 32]))
    with pytest.raises(WrongAccount):
        surveyed(world.market(), Known(files=(tmp_path / "state.json",)), no_pulumi)
