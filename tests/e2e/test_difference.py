"""What a pull request is told about resources is what the engine would do."""

from __future__ import annotations

import pytest

from support.changes import CHANGES
from support.rental import SETTINGS, Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PARTS = {
    "mistral-keys": "keys",
    "mistral-g1-order-guard": "guard",
    "mistral-g1-order-lease": "lease",
    "mistral-g1-weights-start": "weights",
    "mistral-g1-engine-start": "engine",
    "mistral-g1-health-probe": "health",
}
DEFAULTS = {**SETTINGS, "maxModelLen": "65536", "engine": "vllm", "release": "guide"}


def test_the_told_difference_is_the_engines(rental: Rental) -> None:
    first = rental.up()
    assert first.code == 0, first.text
    for change in CHANGES:
        rental.configure(**{name: str(value) for name, value in change.settings.items()})
        seen = rental.preview()
        assert seen.code == 0, seen.text
        replaced = {
            PARTS[name]
            for operation, name in seen.operations()
            if name in PARTS and "replace" in operation
        }
        assert replaced == change.replaced, f"{change.name}: {seen.text}"
        for name in change.settings:
            if name in DEFAULTS:
                rental.configure(**{name: DEFAULTS[name]})
            else:
                rental.unset(name)
    assert rental.destroy().code == 0
