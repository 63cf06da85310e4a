"""`clore-inference smoke` from its command line to its exit code."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from support.endpoint import KEY, MODEL, Endpoint, serving
from support.program import program


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLORE_ENDPOINT_KEY", KEY)


def test_a_good_endpoint_ends_with_0_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Endpoint()) as endpoint:
        ran = program("smoke", endpoint.url, capsys=capsys)
    assert ran.code == 0, ran.out
    assert "9 of 9 checks passed" in ran.out
    assert all(len(line) <= 160 for line in ran.out.splitlines())


def test_json_is_for_machines_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Endpoint(reasoning={})) as endpoint:
        ran = program("smoke", endpoint.url + "/v1", "--json", capsys=capsys)
    document = json.loads(ran.out)
    assert ran.code == 1
    assert [row["failure"] for row in document["checks"] if not row["passed"]] == [
        "reasoning-empty"
    ]
    assert KEY not in ran.out + ran.err


def test_an_endpoint_that_does_not_answer_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert program("smoke", "http://127.0.0.1:9", capsys=capsys).code == 3


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://abc.clorecloud.net", "plain http"),
        ("abc.clorecloud.net", "not an address"),
        ("https://user:pass@abc.net", "nothing else"),
    ],
)
def test_an_address_that_would_show_the_key_is_refused(
    capsys: pytest.CaptureFixture[str], url: str, reason: str
) -> None:
    ran = program("smoke", url, capsys=capsys)
    assert ran.code == 2
    assert reason in ran.err


@pytest.mark.parametrize("text", ["", "two words", "a\nb"])
def test_a_key_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    ran = program("smoke", "http://127.0.0.1:9", "--key-file", str(file), capsys=capsys)
    assert ran.code == 2
    assert "CLORE_ENDPOINT_KEY" in ran.err


def test_the_key_may_come_by_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLORE_ENDPOINT_KEY")
    monkeypatch.setattr("sys.stdin", io.StringIO(KEY + "\n"))
    with serving(Endpoint()) as endpoint:
        assert program("smoke", endpoint.url, "--key-file", "-", capsys=capsys).code == 0


def test_a_stack_and_an_address_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    ran = program("smoke", "https://a.net", "--stack", "h100", capsys=capsys)
    assert ran.code == 2


def test_another_model_can_be_expected(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Endpoint(served="mine")) as endpoint:
        assert program("smoke", endpoint.url, "--model", "mine", capsys=capsys).code == 0
        assert program("smoke", endpoint.url, "--model", MODEL, capsys=capsys).code == 1
