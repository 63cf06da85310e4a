"""A plan as people read it: 80 columns, the six questions, the memory of a GPU as a bar. Pure."""

from __future__ import annotations

import textwrap
from typing import Final

from clore_inference.engines import EngineCommand
from clore_inference.rules.plan import Plan
from clore_inference.rules.questions import answers
from clore_inference.sizing import Fit
from clore_inference.units import gib

COLUMNS: Final = 80
INDENT: Final = "  "
BAR: Final = 60
"""Cells of a bar; with its frame and the total it stays within the columns."""


def bar(fit: Fit, cells: int = BAR) -> str:
    """Draw one GPU's memory: Weights, Reserve, one full request's Context, Kv cache for more.

    `.` is memory that the engine leaves alone, `!` what is wanted beyond its limit.
    """
    bill = fit.bill
    need = bill.weights + bill.reserve + bill.context
    whole = max(bill.memory, need)
    ends = {
        "W": bill.weights,
        "R": bill.weights + bill.reserve,
        "C": need,
        "K": max(need, bill.limit),
        ".": whole,
    }
    drawn = ""
    for letter, end in ends.items():
        drawn += letter * (round(end * cells / whole) - len(drawn))
    limit = round(bill.limit * cells / whole)
    beyond = drawn[limit:].replace("W", "!").replace("R", "!").replace("C", "!")
    return drawn[:limit] + beyond


def legend(fit: Fit) -> str:
    """Say what the letters of the bar stand for, in GiB."""
    bill = fit.bill
    need = bill.weights + bill.reserve + bill.context
    parts = [
        f"W weights {gib(bill.weights)}",
        f"R reserve {gib(bill.reserve)}",
        f"C one request of {fit.max_model_len:,} tokens {gib(bill.context)}",
    ]
    if need > bill.limit:
        parts.append(f"! {gib(need - bill.limit)} beyond the limit of {gib(bill.limit)}")
    else:
        parts.append(f"K more requests {gib(bill.limit - need)}")
    if (left := bill.memory - max(need, bill.limit)) > 0:
        parts.append(f". not for the engine {gib(left)}")
    return "; ".join(parts)


def sheet(plan: Plan, *, findings: bool = True) -> tuple[str, ...]:
    """Return the plan in lines of at most 80 columns, but for words that are longer.

    Without `findings` they are only counted: where the caller shows them itself.
    """
    rows = [headline(plan), ""]
    asked = answers(plan)
    for answer in asked.in_order():
        rows += [answer.question, *_wrapped(answer.answer)]
        shown = answer.details
        if answer is asked.what_will_run and plan.line:
            rows += _command(plan.line)
        if answer is asked.on_what:
            rows += _memory(plan.fit)
        if answer is asked.what_could_go_wrong and not findings:
            shown = shown[len(plan.findings) :]
        rows += [line for detail in shown for line in _item(detail)]
        rows.append("")
    return tuple(rows[:-1])


def headline(plan: Plan) -> str:
    """Say in one line what it is and whether it may run."""
    count = len(plan.refused)
    noun = "finding" if count == 1 else "findings"
    verdict = f"REFUSED by {count} {noun}" if count else "may run"
    spec = plan.spec
    return f"{spec.served_model_name} on {spec.topology} with {spec.engine}: {verdict}"


def _wrapped(text: str) -> list[str]:
    return _wrap(text, INDENT, INDENT)


def _item(text: str) -> list[str]:
    return _wrap(text, f"{INDENT}- ", f"{INDENT}  ")


def _wrap(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _command(line: EngineCommand) -> list[str]:
    """Write the line so that a shell takes it, one flag per row; our part is set off."""
    own = line.model_copy(update={"argv": line.guide}).lines()
    ours = line.model_copy(update={"argv": ("#", *line.suffix)}).lines()[1:]
    rows = [row if at == 0 else f"    {row}" for at, row in enumerate((*own, *ours))]
    ended = [f"{INDENT}  {row} \\" for row in rows[:-1]]
    return [*ended, f"{INDENT}  {rows[-1]}"]


def _memory(fit: Fit) -> list[str]:
    bill = fit.bill
    whole = max(bill.memory, bill.weights + bill.reserve + bill.context)
    return [f"{INDENT}[{bar(fit)}] {gib(whole)}", *_wrapped(legend(fit))]
