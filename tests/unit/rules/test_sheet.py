"""The plan for people: six questions, 80 columns, a bar; and the same as Markdown."""

from __future__ import annotations

import re

import pytest

from clore_inference.catalog import catalog
from clore_inference.rules import plan
from clore_inference.rules.markdown import escaped, markdown
from clore_inference.rules.questions import answers
from clore_inference.rules.sheet import BAR, COLUMNS, bar, legend, sheet
from clore_inference.sizing import fit
from support.wishes import a_spec

TOPOLOGIES = [row.id for row in catalog().topology]
MISFIT: dict[str, object] = {"topology": "2xH200", "precision": "bf16", "maxModelLen": 131072}
QUESTIONS = (
    "What will run?",
    "On what?",
    "For how much at most?",
    "Until when?",
    "May I use it for this?",
    "What could go wrong?",
)


def test_six_questions_are_answered_in_order_with_stable_names() -> None:
    asked = answers(plan(a_spec()))
    assert tuple(one.question for one in asked.in_order()) == QUESTIONS
    assert list(asked.model_dump()) == [
        "what_will_run",
        "on_what",
        "for_how_much_at_most",
        "until_when",
        "may_i_use_it_for_this",
        "what_could_go_wrong",
    ]
    assert all(one.answer.endswith((".", "license")) for one in asked.in_order())


@pytest.mark.parametrize("changes", [{}, MISFIT, {"licenseUse": "commercial"}])
def test_the_sheet_has_80_columns_and_every_question(changes: dict[str, object]) -> None:
    rows = sheet(plan(a_spec(**changes)))
    assert [row for row in rows if row in QUESTIONS] == list(QUESTIONS)
    for row in rows:
        longest = max(map(len, row.split()), default=0)
        assert len(row) <= COLUMNS or longest > COLUMNS - 8, row


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("precision", ["fp8", "bf16"])
def test_a_bar_has_one_length_and_shows_a_misfit(topology: str, precision: str) -> None:
    found = fit(a_spec(topology=topology, precision=precision))
    drawn = bar(found)
    assert len(drawn) == BAR
    need = found.bill.weights + found.bill.reserve + found.bill.context
    if need > found.bill.limit * 1.05:
        assert "!" in drawn, "more than a cell beyond the limit must be seen"
    assert ("beyond the limit" in legend(found)) == (need > found.bill.limit)
    assert re.fullmatch(r"W*R*C*K*!*\.*", drawn), drawn


def test_the_bar_is_to_scale() -> None:
    drawn = bar(fit(a_spec()))
    assert drawn.count("W") == round(31.1 / 79.65 * BAR)
    assert drawn.count(".") == 6, "a tenth of the memory is not for the engine"


def test_the_command_can_be_pasted_into_a_shell() -> None:
    made = plan(a_spec())
    assert made.line
    rows = sheet(made)
    start = next(at for at, row in enumerate(rows) if "vllm serve" in row)
    words: list[str] = []
    for row in rows[start:]:
        words += row.rstrip(" \\").split()
        if not row.endswith("\\"):
            break
    assert tuple(words) == made.line.argv


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({}, "Yes, for evaluation: the Mistral Research License"),
        ({"licenseUse": "commercial"}, "No, not for commercial"),
        (
            {
                "licenseUse": "commercial",
                "licenseEvidence": "mistral-commercial: contract 2026-114",
            },
            "Yes, for commercial, by your own record",
        ),
        (
            {"release": "upstream", "licenseUse": "research"},
            "Yes, for research: the Modified MIT License",
        ),
    ],
)
def test_may_i_is_answered_by_the_license_rules(changes: dict[str, object], begins: str) -> None:
    assert answers(plan(a_spec(**changes))).may_i_use_it_for_this.answer.startswith(begins)


def test_every_finding_is_among_what_could_go_wrong() -> None:
    made = plan(a_spec(**MISFIT))
    told = " ".join(answers(made).what_could_go_wrong.details)
    assert all(one.text in told for one in made.findings)
    short = "\n".join(sheet(made, findings=False))
    assert "1 finding refuses it" in short
    assert "[clore-memory-require-fit]" not in short, "the caller shows them itself"


def test_markdown_is_the_same_bytes_and_shows_no_text_as_markup() -> None:
    made = plan(a_spec(licenseEvidence="modified-mit: <b>[me](http://x)</b> | @team *x*"))
    first, second = "\n".join(markdown(made)), "\n".join(markdown(made))
    assert first == second
    assert "<b>" not in re.sub(r"```.*?```", "", first, flags=re.DOTALL).replace("\\<b", "")
    assert all(question in first for question in QUESTIONS)


def test_escaped_text_keeps_code_and_calls_nobody() -> None:
    assert escaped("a|b `x|y` <i>") == r"a\|b `x|y` \<i\>"
    assert "@<!-- -->team" in escaped("ask @team")
    assert escaped("one ` only *") == r"one ' only \*"
