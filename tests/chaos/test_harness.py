"""The chaos harness itself: what it draws, what it counts, and what its zeroes are worth."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from support.canary import exposed
from support.chaos import report
from support.chaos.c1 import matrix, some
from support.chaos.plan import VICTIMS, Plan, draw, draw_fleet
from support.chaos.verdict import Verdict, active, rate_bound, summary, wasted


def an_order(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": number, "made_by": "default", "active": False, "cost_usd": 0.5, **fields}


def test_a_seed_draws_the_same_run_for_ever() -> None:
    assert draw(7) == draw(7)
    assert draw(1).point == "up: after_answer marketplace 1", (
        "published seeds would mean other runs"
    )


def test_three_hundred_seeds_try_every_victim_command_and_recovery() -> None:
    plans = [draw(seed) for seed in range(1, 301)]
    assert {one.victim for one in plans} == set(VICTIMS)
    assert {one.during for one in plans} == {"up", "repair", "destroy"}
    assert {one.then for one in plans} == {"up", "refresh", "destroy"}
    bought = [one for one in plans if one.hook and one.hook[0] == "create_order"]
    assert len(bought) > 60, "most kills belong where the money is spent"


@pytest.mark.parametrize("drawn", [draw, draw_fleet])
@pytest.mark.parametrize("seed", range(20))
def test_a_plan_survives_its_regression_file(seed: int, drawn: Any) -> None:
    plan = drawn(seed)
    assert Plan.parse(json.dumps({"plan": plan.document(), "found": []})) == plan


def test_a_fleets_second_operator_tries_every_command_beside_the_same_kills() -> None:
    plans = [draw_fleet(seed) for seed in range(1, 61)]
    assert {one.beside for one in plans} == {"up", "refresh", "destroy"}
    assert [one.point for one in plans] == [draw(seed).point for seed in range(1, 61)]


def test_the_first_operators_orders_are_not_the_seconds() -> None:
    ledger = {"orders": [an_order(1, active=True), an_order(2, active=True, made_by="second")]}
    assert active(ledger, "second") == [2]


@pytest.mark.parametrize("before", ["", "x", "xy", '{"key": "'])
def test_g9_a_canary_is_found_in_every_form(before: str) -> None:
    secret = 'clore-key/with+signs"and=more'
    forms = {
        "text": secret,
        "url": quote(secret, safe=""),
        "json": json.dumps({"key": secret}),
        "json in json": json.dumps({"said": json.dumps({"key": secret})}),
        "base64": base64.b64encode((before + secret + "/etc").encode()).decode(),
        "base64 for urls": base64.urlsafe_b64encode((before + secret).encode()).decode(),
        "hexadecimal": (before + secret).encode().hex(),
    }
    for name, text in forms.items():
        file = (Path(name), text.encode())
        assert exposed([file], [secret]) == [Path(name)], name
    assert exposed([(Path("other"), b"nothing to see")], [secret]) == []


def test_a_persons_order_is_not_ours_and_an_ended_one_is_not_billing() -> None:
    orders = [
        an_order(1, active=True),
        an_order(2, active=True, made_by="human"),
        an_order(3),
    ]
    ledger = {"orders": orders}
    assert active(ledger) == [1]
    assert wasted(ledger, [1]) == (0.5, 1), "order 3 was paid for and handed over to nobody"


@pytest.mark.parametrize(
    "broken", [{"unclaimed": [1]}, {"hollow": [1]}, {"left": [1]}, {"strangers": 1},
               {"violations": 1}, {"exposed": ["x"]}, {"stuck": "up"}]
)  # fmt: skip
def test_each_broken_promise_fails_its_run(broken: dict[str, Any]) -> None:
    assert Verdict(draw(1), **broken).failures
    assert not Verdict(draw(1), wasted_usd=3.0).failures, "money is bounded, not forbidden"


@pytest.mark.parametrize(("runs", "percent"), [(300, 1.0), (1000, 0.3), (60, 4.9)])
def test_no_leak_in_n_runs_bounds_the_rate_by_about_three_in_n(runs: int, percent: float) -> None:
    assert 100 * rate_bound(0, runs) == pytest.approx(percent, abs=0.03)


def test_a_bound_grows_with_what_was_found_and_says_nothing_without_runs() -> None:
    assert rate_bound(0, 100) < rate_bound(1, 100) < rate_bound(5, 100) < 1
    assert rate_bound(0, 0) == 1


def test_a_report_names_every_failed_seed(tmp_path: Path) -> None:
    verdicts = [Verdict(draw(1), struck=True), Verdict(draw(2), struck=True, left=[7])]
    totals = report.write(tmp_path, verdicts, {3: "trouble"})
    assert totals["failed_seeds"] == [2]
    assert summary(verdicts)["L2"] == 1
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "L2=[7]" in text
    assert "Failed seeds: [2]" in text
    assert "could not finish: ['3']" in text


def test_the_matrix_has_every_point_with_every_fault_once() -> None:
    everything = matrix()
    assert len(everything) == len({one.name for one in everything})
    assert some(20, 1) == some(20, 1)
    assert len(set(some(20, 1))) == 20
