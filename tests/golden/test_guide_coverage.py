"""The guide's advice and the rules lead to each other, with nothing left over."""

from __future__ import annotations

from collections import Counter

import pytest

from clore_inference.rules import RULES
from clore_inference.rules.rule import GUIDE
from golden.guide_coverage import ADVICE, COUNTS, TITLES, Advice

SHORTEST_REASON = 30
KNOWN = {one.id for one in RULES}


@pytest.mark.parametrize("advice", ADVICE, ids=lambda one: one.about)
def test_each_advice_has_a_rule_that_exists_or_a_reason_why_not(advice: Advice) -> None:
    assert set(advice.rules) <= KNOWN
    assert advice.rules or len(advice.besides) >= SHORTEST_REASON, "silence is no reason"
    assert advice.section in TITLES


def test_the_guides_tables_are_covered_row_by_row() -> None:
    found = Counter(one.section for one in ADVICE)
    assert {section: found[section] for section in COUNTS} == COUNTS
    assert len({(one.section, one.about) for one in ADVICE}) == len(ADVICE)


def test_a_rule_whose_source_is_the_guide_is_about_something_in_it() -> None:
    named = {name for one in ADVICE for name in one.rules}
    derived = {"clore-budget-match-total"}  # our own key, beside the guide's prices
    assert {one.id for one in RULES if one.why == GUIDE} - derived <= named
