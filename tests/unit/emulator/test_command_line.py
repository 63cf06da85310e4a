"""`clore-emulator` teaches, refuses with a reason, and lists its faults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clore_emulator.cli import app
from clore_emulator.faults import REGISTRY
from clore_emulator.ledger import Journal
from clore_emulator.market import LIES


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_the_list_has_one_line_for_each_fault() -> None:
    lines = run("faults").stdout.splitlines()
    assert [line.partition(" ")[0].partition("(")[0] for line in lines] == list(REGISTRY)
    assert all(fault.summary in line for fault, line in zip(REGISTRY.values(), lines, strict=True))


def test_the_list_as_json_has_every_column() -> None:
    rows = json.loads(run("faults", "--json").stdout)
    assert {row["name"] for row in rows} == set(REGISTRY)
    assert set(rows[0]) == {"name", "summary", "on", "phase", "any_phase", "times", "parameters"}


def test_one_fault_is_shown_in_full() -> None:
    shown = run("faults", "list_lags_by").stdout
    assert "seconds (float, default 20.0)" in shown
    assert "until it is lifted" in shown
    assert json.loads(run("faults", "pause", "--json").stdout)["any_phase"] is True


def test_lies_and_profiles_are_listed_too() -> None:
    assert set(json.loads(run("faults", "--lies", "--json").stdout)) == set(LIES)
    assert "drops_reasoning" in run("faults", "--engines").stdout
    assert set(json.loads(run("faults", "--profiles").stdout)) == {"calm", "flaky", "hostile"}


def test_an_unknown_fault_is_answered_with_the_nearest_one() -> None:
    result = run("faults", "list_fail")
    assert result.exit_code == 2
    assert "did you mean list_fails?" in result.stderr


@pytest.mark.parametrize("command", ["serve", "faults"])
def test_help_teaches_by_example(command: str) -> None:
    shown = run(command, "--help").stdout
    assert "clore-emulator serve" in shown or "serve --fault" in shown


def test_a_wrong_fault_is_refused_before_anything_starts(tmp_path: Path) -> None:
    result = run("serve", "--state", str(tmp_path / "new"), "--fault", "nothing")
    assert result.exit_code == 2
    assert not (tmp_path / "new").exists()


def test_a_state_directory_in_use_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    result = run("serve", "--state", str(tmp_path), "--port", "0", "--hub-port", "0")
    assert result.exit_code == 3
    assert "another emulator is running" in result.stderr
    journal.close()


def test_a_market_without_servers_is_refused(tmp_path: Path) -> None:
    market = tmp_path / "market.json"
    market.write_text("{}", encoding="utf-8")
    result = run(
        "serve", "--state", str(tmp_path / "s"), "--port", "0", "--hub-port", "0",
        "--market", str(market),
    )  # fmt: skip
    assert result.exit_code == 2
    assert "nothing could be rented" in result.stderr
