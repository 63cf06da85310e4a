"""What `make up` writes down and says, without starting anything."""

from __future__ import annotations

import json
import shlex
import stat
from pathlib import Path
from typing import Any

import ground
import pytest
import report

from support.engine import REPOSITORY

OUTPUTS: dict[str, Any] = {
    "endpoint": "http://127.0.0.1:20001/",
    "endpointKey": 'key"with\\odd',
    "model": "mistral-medium-3.5",
    "exposure": "public",
    "orderId": "41",
    "serverId": "98",
    "endsAt": "2026-12-01T00:00:00+00:00",
}


def order(**changes: Any) -> dict[str, Any]:
    row = {
        "id": 41,
        "server_id": 98,
        "usd_per_day_with_fee": 30.5,
        "cost_usd": 1.25,
        "account": "renter",
    }
    return row | changes


def ledger(*active: dict[str, Any]) -> dict[str, Any]:
    rows = list(active)
    burn = sum(row["usd_per_day_with_fee"] for row in rows)
    return {
        "orders": rows,
        "active_orders": rows,
        "spent_usd": 1.25,
        "burn_usd_per_day": burn,
        "posts": 2,
    }


def test_the_key_is_in_a_file_for_curl_and_not_in_the_line_to_paste() -> None:
    config = report.curl_config(OUTPUTS["endpoint"], OUTPUTS["endpointKey"])
    assert 'url = "http://127.0.0.1:20001/v1/chat/completions"' in config
    assert 'header = "Authorization: Bearer key\\"with\\\\odd"' in config
    text = "\n".join(report.endpoint_lines(OUTPUTS, ".state/endpoint.curl"))
    assert OUTPUTS["endpointKey"] not in text


def test_the_line_to_paste_is_the_one_in_the_readme() -> None:
    lines = [line.strip() for line in report.endpoint_lines(OUTPUTS, ".state/endpoint.curl")]
    pasted = next(line for line in lines if line.startswith("curl "))
    assert pasted in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    body = json.loads(shlex.split(pasted)[-1])
    assert body["model"] == OUTPUTS["model"]


def test_a_private_endpoint_is_reached_by_connect() -> None:
    text = "\n".join(report.endpoint_lines(OUTPUTS | {"exposure": "private"}, "x"))
    assert "clore-inference connect" in text
    assert "curl" not in text


def test_a_second_run_says_that_nothing_was_done() -> None:
    assert report.change_line({}, 0).startswith("Nothing was bought, posted or changed")
    assert report.change_line({"create": 3}, 1) == "This run: 3 created; 1 POST to the marketplace."
    assert "2 POSTs" in report.change_line({}, 2), "a POST is never called nothing"


def test_the_cost_is_the_ledgers() -> None:
    assert "1.2500 USD" in report.cost_line(ledger(order()), OUTPUTS)
    assert "knows no order 41" in report.cost_line(ledger(), OUTPUTS)


def test_the_last_word_names_what_still_bills() -> None:
    quiet = report.last_word(ledger())
    assert "no order is active" in quiet[0]
    loud = "\n".join(report.last_word(ledger(order(), order(id=42))))
    assert "61.00 USD a day" in loud
    assert "42" in loud
    assert "make down" in loud


def test_a_stack_file_changes_only_where_it_is_told_to() -> None:
    text = (
        "# why\nconfig:\n  clore-inference:apiUrl: http://127.0.0.1:8650\n  clore-inference:x: 1\n"
    )
    changed = ground.with_values(text, {"apiUrl": "http://127.0.0.1:9"})
    assert changed == text.replace("http://127.0.0.1:8650", '"http://127.0.0.1:9"')
    with pytest.raises(ValueError, match="sets hub 0 times"):
        ground.with_values(text, {"hub": "x"})


def test_everything_of_the_demonstration_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    for name in ("Pulumi.yaml", "__main__.py", "stacks/Pulumi.local.yaml"):
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
    place = ground.Ground(tmp_path)
    place.prepare()
    passphrase = place.passphrase.read_text(encoding="utf-8")
    values = {"apiUrl": "http://127.0.0.1:1", "hfEndpoint": "http://127.0.0.1:2", "timeScale": "60"}
    place.copy_project(values, {"plugin command": "/s/command"})
    with place.stack_file.open("a", encoding="utf-8") as file:
        file.write("encryptionsalt: v1:abc\n")
    place.copy_project(values, {})
    place.prepare()
    assert place.passphrase.read_text(encoding="utf-8") == passphrase, "made once"
    assert "encryptionsalt: v1:abc" in place.stack_file.read_text(encoding="utf-8")
    assert stat.S_IMODE(place.state.stat().st_mode) == 0o700
    files = [file for file in place.state.rglob("*") if file.is_file()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_stand_ins_are_named_in_the_copied_project_only_if_there_are_any() -> None:
    assert ground.plugin_lines({}) == ""
    lines = ground.plugin_lines({"plugin command": "/c", "language host python": "/l"})
    assert 'providers: [{name: command, path: "/c"}]' in lines
    assert 'languages: [{name: python, path: "/l"}]' in lines
