from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _tool() -> ModuleType:
    path = Path(__file__).with_name("lines.py")
    spec = importlib.util.spec_from_file_location("golden_lines", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LINES = _tool()


@pytest.mark.parametrize("name", list(LINES.CASES))
def test_the_line_is_the_reviewed_one(name: str) -> None:
    reviewed = (LINES.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert LINES.rendered(name) == reviewed, (
        "if this is meant, run `make golden` and review the diff"
    )


def test_no_reviewed_file_is_without_a_case() -> None:
    assert {path.stem for path in LINES.FOLDER.glob("*.txt")} == set(LINES.CASES)
