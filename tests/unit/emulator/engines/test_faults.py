"""Engine faults: named, parametrized, and able to come and go while an engine runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clore_emulator.engines.faults import FAULTS, FaultPlan, UnknownFaultError, parse


def test_a_name_alone_takes_the_defaults() -> None:
    assert parse('["dies_after"]') == {"dies_after": {"seconds": 60}}


def test_parameters_replace_the_defaults() -> None:
    document = [{"name": "serves_other_model", "model": "x"}]
    assert parse(json.dumps(document)) == {"serves_other_model": {"model": "x"}}


@pytest.mark.parametrize(
    "document",
    [["no_such_fault"], [{"name": "dies_after", "minutes": 1}], {"dies_after": {}}, [{}]],
)
def test_a_wrong_document_is_refused_and_the_known_ones_are_named(document: Any) -> None:
    with pytest.raises(UnknownFaultError) as refused:
        parse(json.dumps(document))
    assert "known" in str(refused.value) or "list" in str(refused.value)


def test_faults_come_and_go_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    plan = FaultPlan(file)
    assert plan.get("drops_reasoning") is None, "no file, no fault"
    file.write_text('["drops_reasoning"]')
    assert plan.get("drops_reasoning") == {}
    file.write_text("[]")
    assert plan.get("drops_reasoning") is None
    file.unlink()
    assert plan.get("drops_reasoning") is None


def test_every_fault_is_explained_in_the_docs() -> None:
    page = Path(__file__).parents[4] / "docs" / "emulator-engines.md"
    text = page.read_text("utf-8")
    for name in FAULTS:
        assert f"`{name}" in text, f"{name} has no line in {page.name}"
