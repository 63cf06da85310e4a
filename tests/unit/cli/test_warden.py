"""The dead man's switch: what it sees, what it may end, and what it must not."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clore_inference.cli import warden as command
from clore_inference.cli.billing import Bill, Recorded
from clore_inference.cli.limits import Limits, breaches, condemned
from clore_inference.cli.survey import Survey
from clore_inference.cli.wallet import funds
from clore_inference.cli.work import Work, since, work_of
from clore_inference.market.price import USD
from clore_inference.market.wire import Wallet
from clore_inference.secret import Secret
from clore_inference.serving import ops_key
from support.lease_world import Stack, World, new_world
from support.ledger_judge import assert_no_breach
from support.program import Ran, program
from support.recorded_state import ids, lease_id, lost, order_id, state

HOUR_S = 3600.0
QUIET = Limits()


def bill(number: int, usd_per_hour: str = "1", **more: Any) -> Bill:
    fields: dict[str, Any] = {
        "standing": "held",
        "lease_id": "a" * 32,
        "currency": USD,
        "age_s": 2 * HOUR_S,
        "spent_usd": Decimal(usd_per_hour) * 2,
        "ends_in_s": 100 * HOUR_S,
    }
    return Bill(number, 7, usd_per_day=Decimal(usd_per_hour) * 24, **(fields | more))


def account(*found: Bill, balance: float = 1000.0, pending: tuple[str, ...] = ()) -> Survey:
    recorded = Recorded("mine", ("a" * 32,), {}, pending, {"a" * 32: ("x",)})
    wallet = Wallet(name=USD, deposit="d", balance=balance)
    return Survey(recorded, found, (wallet,), ("x",), {USD: Decimal(1)})


def kinds(survey: Survey, limits: Limits, idle: dict[int, float] | None = None) -> list[str]:
    return [one.kind for one in breaches(survey, limits, idle or {})]


def ending(survey: Survey, limits: Limits, idle: dict[int, float] | None = None) -> list[int]:
    found = breaches(survey, limits, idle or {})
    return [one.order_id for one in condemned(survey, found)]


def test_a_held_order_within_its_limits_is_fine() -> None:
    limits = Limits(Decimal(2), Decimal(10), 3 * HOUR_S, HOUR_S, HOUR_S, Decimal(5))
    assert kinds(account(bill(1)), limits, {1: 10.0}) == []


def test_above_the_hourly_budget_the_youngest_go_first() -> None:
    survey = account(bill(1, "2", age_s=9 * HOUR_S), bill(2, "1.5"), bill(3, age_s=HOUR_S))
    assert ending(survey, Limits(burn_usd_per_hour=Decimal("3.5"))) == [3]
    assert ending(survey, Limits(burn_usd_per_hour=Decimal(3))) == [2, 3]
    assert ending(survey, Limits(burn_usd_per_hour=Decimal(0))) == [1, 2, 3]


def test_above_the_total_all_go() -> None:
    survey = account(bill(1), bill(2))
    assert kinds(survey, Limits(spent_usd=Decimal(3))) == ["above-spent"]
    assert ending(survey, Limits(spent_usd=Decimal(3))) == [1, 2]


def test_an_order_that_is_too_old_or_idle_goes_alone() -> None:
    survey = account(bill(1), bill(2, age_s=30 * HOUR_S))
    assert ending(survey, Limits(age_s=24 * HOUR_S)) == [2]
    assert ending(survey, Limits(idle_s=HOUR_S), {1: 2 * HOUR_S}) == [1]


def test_a_term_that_ends_and_a_short_wallet_are_only_told() -> None:
    survey = account(bill(1, ends_in_s=HOUR_S), balance=3.0)
    limits = Limits(ends_within_s=24 * HOUR_S, wallet_hours=Decimal(24))
    assert kinds(survey, limits) == ["ends-soon", "wallet-short"]
    assert ending(survey, limits) == []
    text = " ".join(one.text for one in breaches(survey, limits, {}))
    assert "generation" in text
    assert "3 h left" in text


@pytest.mark.parametrize("standing", ["unguarded", "portless", "other"])
def test_g3_an_order_without_a_known_full_mark_never_ends(standing: Any) -> None:
    survey = account(bill(1, standing=standing, lease_id="", age_s=99 * HOUR_S))
    limits = Limits(Decimal(0), Decimal(0), HOUR_S, HOUR_S)
    assert ending(survey, limits, {1: 9 * HOUR_S}) == []


def test_a_held_order_that_shows_another_mark_never_ends() -> None:
    survey = account(bill(1, lease_id=""))
    assert ending(survey, Limits(age_s=1)) == []


def test_an_order_that_an_update_is_about_to_hold_is_claimed() -> None:
    loose = bill(1, standing="unheld")
    assert kinds(account(loose), QUIET) == ["unclaimed"]
    assert kinds(account(loose, pending=("creating lease",)), QUIET) == []
    assert kinds(account(bill(1, standing="unheld", age_s=59)), QUIET) == []
    assert kinds(account(bill(1, standing="unheld", lease_id="b" * 32)), QUIET) == [], "named"


def test_others_burn_the_same_wallet_and_no_budget() -> None:
    survey = account(bill(1), bill(2, "9", standing="other", lease_id=""), balance=100.0)
    assert kinds(survey, Limits(burn_usd_per_hour=Decimal(1))) == []
    (fund,) = funds(survey.wallets, survey.bills, survey.rates)
    assert fund.hours_left == 10


def test_a_wallet_of_unknown_worth_is_no_alarm() -> None:
    survey = account(bill(1))
    (fund,) = funds(survey.wallets, survey.bills, {})
    assert fund.hours_left is None
    assert fund.line() == f"{USD}: 1000.0, 1.00 USD/h burning"
    (resting,) = funds(survey.wallets, (), {})
    assert resting.line() == f"{USD}: 1000.0, nothing burning"


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(world: World, *options: str) -> Ran:
        monkeypatch.setattr(command, "market_of", lambda *_: world.market())
        return program("warden", *options, capsys=capsys)

    return run


def held_in(tmp_path: Path, stack: Stack, *, held: bool = True) -> list[str]:
    (tmp_path / "state.json").write_text(state(stack, held=held))
    return ["--state-file", str(tmp_path / "state.json")]


def test_g3_without_act_nothing_ends_and_the_alarm_is_an_exit_code(
    watching: Any, tmp_path: Path
) -> None:
    world, stack = lost()
    options = held_in(tmp_path, stack)
    assert watching(world, *options).code == 0
    ran = watching(world, *options, "--max-usd-per-hour", "1")
    assert ran.code == 1
    assert "above-burn: 1 order(s) burn 1.75 USD/h" in ran.out
    assert "with --act" in ran.err
    assert ids(world) == [order_id(stack)]


def test_with_act_the_order_ends_verified_and_strangers_stay(watching: Any, tmp_path: Path) -> None:
    world, stack = lost()
    other = Stack()
    world.up(other)
    world.clock.time += 3600
    options = [*held_in(tmp_path, stack), "--lease", lease_id(other), "--max-hours", "1.1", "--act"]
    ran = watching(world, *options, "--json")
    document = json.loads(ran.out)
    assert ran.code == 1, "an alarm stays an alarm when it was acted upon"
    assert [one["kind"] for one in document["breaches"]] == ["too-old"]
    assert ids(world) == [order_id(other)]
    assert document["orders"][0]["result"] == "ended"
    assert_no_breach(world)


def test_an_unclaimed_order_is_an_exit_code_of_its_own_and_named(watching: Any) -> None:
    world, stack = lost()
    ran = watching(world, "--act")
    assert ran.code == 4
    assert f"unclaimed: order {order_id(stack)}" in ran.out
    assert ids(world) == [order_id(stack)], "the project's port alone proves nothing"


def test_an_order_that_its_guard_knows_and_no_lease_holds_ends(
    watching: Any, tmp_path: Path
) -> None:
    world, stack = lost()
    ran = watching(world, *held_in(tmp_path, stack, held=False), "--act")
    assert (ran.code, ids(world)) == (1, [])


def test_a_cancel_that_does_nothing_is_the_loudest(watching: Any, tmp_path: Path) -> None:
    world, stack = lost()
    world.double.faults["cancel_order"] = ["lies"] * 99
    ran = watching(world, *held_in(tmp_path, stack), "--max-usd", "0.01", "--act")
    assert ran.code == 4
    assert "may still cost" in ran.out


def test_a_listing_that_fails_is_no_all_clear(watching: Any) -> None:
    world = new_world()
    world.double.faults["my_orders"] = ["fails"] * 99
    assert watching(world).code == 3


@pytest.mark.parametrize("amount", ["much", "-1", "NaN", "Infinity"])
def test_an_amount_that_is_none_is_refused_before_anything_is_asked(
    watching: Any, amount: str
) -> None:
    world = new_world()
    assert watching(world, f"--max-usd={amount}").code == 2
    assert world.double.calls == []


VLLM = """# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="m"} 1.5e+03
vllm:prompt_tokens_total{engine="0",model_name="m"} 500.0
vllm:num_requests_running{engine="0",model_name="m"} 0.0
"""


def test_an_engines_counters_tell_its_work() -> None:
    assert work_of(VLLM) == Work(2000.0, running=False)
    assert work_of(VLLM.replace('"} 0.0', '"} 2.0')) == Work(2000.0, running=True)
    assert work_of("llamacpp:tokens_predicted_total 7\n") == Work(7.0, running=False)
    assert work_of("<html>not found</html>") is None


def test_idleness_is_counted_from_the_first_look_that_saw_the_number() -> None:
    world = new_world()
    market = world.market()
    assert since(market, 1, Work(5, running=False)) == 0
    world.clock.time += 100
    assert since(market, 1, Work(5, running=False)) == pytest.approx(100, abs=1)
    assert since(market, 1, Work(5, running=True)) == 0, "a request runs"
    assert since(market, 1, Work(6, running=False)) == 0, "a new token"
    assert since(market, 2, Work(6, running=False)) == 0, "another order"


def test_the_operators_key_follows_from_the_login_and_tells_nothing_of_it() -> None:
    one, other = Secret("PRIVATE KEY 1\n"), Secret("PRIVATE KEY 2\n")
    assert ops_key(one).reveal() == ops_key(Secret("PRIVATE KEY 1")).reveal()
    assert ops_key(one).reveal() != ops_key(other).reveal()
    assert "PRIVATE" not in ops_key(one).reveal()
