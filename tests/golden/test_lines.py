from __future__ import annotations

import pytest

from golden import lines


@pytest.mark.parametrize("name", list(lines.CASES))
def test_the_line_is_the_reviewed_one(name: str) -> None:
    reviewed = (lines.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert lines.rendered(name) == reviewed, "if it is meant, run `make golden`, review the diff"


def test_no_reviewed_file_is_without_a_case() -> None:
    assert {path.stem for path in lines.FOLDER.glob("*.txt")} == set(lines.CASES)
