from __future__ import annotations

import pytest

from golden import plans


@pytest.mark.parametrize("name", plans.names())
def test_the_plan_is_the_reviewed_one(name: str) -> None:
    reviewed = (plans.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert plans.rendered(name) == reviewed, "if it is meant, run `make golden`, review the diff"


def test_no_reviewed_file_is_without_a_case() -> None:
    assert {path.stem for path in plans.FOLDER.glob("*.txt")} == set(plans.names())
