from __future__ import annotations

import pytest

from clore_inference.rules import RULES
from clore_inference.spec import keys
from golden import reference


@pytest.mark.parametrize("name", list(reference.PAGES))
def test_the_reference_is_what_the_code_says(name: str) -> None:
    written = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert reference.PAGES[name]() == written, "run `make golden`, review the diff"


def test_the_reference_has_every_rule_and_every_key() -> None:
    assert all(f"## {one.id}\n" in reference.rules_page() for one in RULES)
    assert all(f"`{key.name}`" in reference.configuration_page() for key in keys())
