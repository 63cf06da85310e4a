"""The commands that look: plan, offers, doctor."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from clore_inference.cli import doctor
from clore_inference.cli.wish import wished
from clore_inference.errors import ConfigError
from clore_inference.lifecycle.outlook import Asked
from clore_inference.lifecycle.purse import Purse
from clore_inference.market.offers import shortlist
from clore_inference.market.table import as_dict, lines
from clore_inference.market.wire import ServerList
from support.offers import REQUEST, server
from support.program import program

STACK = """config:
  clore-inference:licenseUse: evaluation
  clore-inference:maxUsdPerDay: "50"
"""


@pytest.fixture
def stack(tmp_path: Path) -> str:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.mine.yaml").write_text(STACK)
    return str(tmp_path)


def test_a_plan_needs_no_pulumi_and_no_network(
    capsys: pytest.CaptureFixture[str], stack: str
) -> None:
    ran = program("plan", "--stack", "org/project/mine", "--cwd", stack, capsys=capsys)
    assert ran.code == 0, ran.err
    assert (
        "vllm serve mistralai/Mistral-Medium-3.5-FP8 \\\n        --tensor-parallel-size 4"
        in ran.out
    )
    assert "Offers were not looked at" in ran.out, "what was not looked at is said"


def test_a_plan_for_machines_answers_six_questions_and_says_what_nobody_looked_at(
    capsys: pytest.CaptureFixture[str], stack: str
) -> None:
    ran = program("plan", "--stack", "mine", "--cwd", stack, "--json", capsys=capsys)
    document = json.loads(ran.out)
    assert len(document["answers"]) == 6
    assert all(one["answer"] for one in document["answers"].values())
    assert set(document["network"]["not_looked_at"]) == {"offers", "repository", "wallet"}


def test_a_plan_as_markdown_is_the_same_bytes_on_every_run(
    capsys: pytest.CaptureFixture[str], stack: str
) -> None:
    options = ["plan", "--stack", "mine", "--cwd", stack, "--markdown"]
    first = program(*options, capsys=capsys)
    assert first.out.startswith("## mistral-medium-3.5 on 4xH100 with vllm: may run")
    assert program(*options, capsys=capsys).out == first.out
    both = program(*options, "--json", capsys=capsys)
    assert both.code == 2


def test_a_plan_with_offers_survives_a_silent_network(
    capsys: pytest.CaptureFixture[str], stack: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    silent = ["--set", "apiUrl=http://127.0.0.1:9", "--set", "hfEndpoint=http://127.0.0.1:9"]
    ran = program("plan", "--stack", "mine", "--cwd", stack, *silent, "--offers", capsys=capsys)
    assert ran.code == 0, ran.err
    assert ran.out.count("not looked at") == 3


def test_a_plan_judges_what_the_account_told_by_the_same_rules(
    capsys: pytest.CaptureFixture[str], stack: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    told = Purse("USD-Blockchain", Decimal("22.70"), orders=1, term_hours=6.0)
    monkeypatch.setattr("clore_inference.cli.plan.ask_purse", lambda *_, **__: Asked(lambda: told))
    silent = ["--set", "apiUrl=http://127.0.0.1:9", "--set", "hfEndpoint=http://127.0.0.1:9"]
    options = ["plan", "--stack", "mine", "--cwd", stack, *silent, "--offers"]
    document = json.loads(program(*options, "--json", capsys=capsys).out)
    rules = {one["rule"] for one in document["findings"]}
    assert {"clore-wallet-outlast-term", "clore-term-outlast-wish"} <= rules
    assert document["network"]["wallet"]["wallet_usd"] == "22.70"
    text = " ".join(program(*options, capsys=capsys).out.split())
    assert "The wallet holds 22.70 USD; 24 h can cost 50.73 USD in all" in text
    assert "The lease ends in 6 h, before the 24 h that minTermHours asks for" in text


def test_a_refused_plan_says_why_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], stack: str
) -> None:
    options = ["--stack", "mine", "--cwd", stack, "--set", "topology=2xH100", "--json"]
    ran = program("plan", *options, capsys=capsys)
    assert ran.code == 1
    assert json.loads(ran.out)["refused"] is True


def test_a_wrong_configuration_ends_with_2_and_every_finding(
    capsys: pytest.CaptureFixture[str], stack: str
) -> None:
    wrong = ["--set", "maxModelLn=1", "--set", "engine=ollama"]
    ran = program("plan", "--stack", "mine", "--cwd", stack, *wrong, capsys=capsys)
    assert ran.code == 2
    assert "maxModelLen" in ran.err
    assert "ollama" in ran.err


def test_a_change_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="key=value"):
        wished(None, None, None, ["maxModelLen"])


def test_a_missing_stack_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Pulumi\.none\.yaml"):
        wished("none", tmp_path, None, None)


def test_a_fast_clock_needs_an_emulator() -> None:
    with pytest.raises(ConfigError, match="loopback"):
        wished(None, None, None, ["timeScale=60"]).clock.now()


def test_offers_are_a_table_with_the_story_of_the_rest() -> None:
    market = ServerList((server(1, 40.0), server(2, 30.0), server(3, 90.0)), 0)
    found = shortlist(market, REQUEST)
    rows = lines(found, 10)
    assert [row.split()[0] for row in rows[1:3]] == ["2", "1"], "cheapest first"
    assert "too dear" in rows[3]
    assert all(len(row) <= 80 for row in rows)
    assert as_dict(found)["offers"][0]["usd_per_day"] == "31.500"


def test_offers_beyond_the_limit_are_counted() -> None:
    market = ServerList(tuple(server(number, 30.0) for number in range(5)), 0)
    assert "and 3 more that fit" in lines(shortlist(market, REQUEST), 2)


def states(rows: object) -> dict[str, str]:
    return {row.name: row.state for row in rows}  # type: ignore[attr-defined]


def test_doctor_names_the_setting_that_breaks_a_promise() -> None:
    assert states(doctor.settings({"PULUMI_ENABLE_LEGACY_DIFF": "true"})) == {
        "PULUMI_ENABLE_LEGACY_DIFF": "bad"
    }
    assert states(doctor.settings({})) == {"PULUMI_ENABLE_LEGACY_DIFF": "ok"}


def test_doctor_says_what_is_a_stand_in(tmp_path: Path) -> None:
    kept = tmp_path / "clore-inference"
    kept.mkdir()
    rows = [
        {"name": "cli", "origin": "go-module", "version": "3.259.0", "path": "/p"},
        {"name": "plugin command", "origin": "stand-in", "version": "", "path": "/q"},
    ]
    document = {"parts": rows, "before_path": [], "after_path": []}
    (kept / "toolchain.json").write_text(json.dumps(document))
    found = states(doctor.parts({"XDG_CACHE_HOME": str(tmp_path), "PATH": ""}))
    assert found == {"cli": "ok", "plugin command": "note"}


def test_doctor_misses_a_cli_and_a_package(tmp_path: Path) -> None:
    assert states(doctor.parts({"HOME": str(tmp_path), "PATH": ""})) == {"cli": "bad"}
    assert states(doctor.packages(["no-such-package"])) == {"no-such-package": "bad"}


@pytest.mark.parametrize(
    "command",
    [
        "plan",
        "offers",
        "connect",
        "smoke",
        "recover",
        "sweep",
        "warden",
        "doctor",
        "preview-comment",
    ],
)
def test_every_command_teaches_with_an_example_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    ran = program(command, "--help", capsys=capsys)
    assert ran.code == 0
    assert f"clore-inference {command}" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
