"""A plan as Markdown, for pull requests and wikis: the same bytes for the same plan. Pure."""

from __future__ import annotations

import re
from typing import Final

from clore_inference.rules.plan import Plan
from clore_inference.rules.questions import answers
from clore_inference.rules.sheet import bar, headline, legend
from clore_inference.spec import Finding
from clore_inference.units import gib

SPECIAL: Final = re.compile(r"([\\*_\[\]<>|~])")
SIGN: Final = {"mandatory": "REFUSED", "warning": "warning"}


def escaped(text: str) -> str:
    """Return text on one line that Markdown shows as it is; what stands in backticks stays code."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return _plain("'".join(parts))
    return "`".join(part if at % 2 else _plain(part) for at, part in enumerate(parts))


def _plain(text: str) -> str:
    """Text without markup, and without calling anybody by name."""
    return SPECIAL.sub(r"\\\1", text).replace("@", "@<!-- -->")


def cell(text: str) -> str:
    """Return text for a cell of a table, where a bar ends a cell even in code."""
    return re.sub(r"\\*\|", r"\\|", escaped(text))


def code(text: str) -> str:
    """Return one line for a block of code, which it cannot end."""
    return " ".join(text.split()).replace("`", "'")


def markdown(plan: Plan) -> tuple[str, ...]:
    """Return the six questions, the memory bill as a bar, and the command line, as Markdown."""
    rows = [f"## {escaped(headline(plan))}", ""]
    asked = answers(plan)
    for answer in asked.in_order():
        rows += [f"**{answer.question}** {escaped(answer.answer)}", ""]
        if answer is asked.on_what:
            rows += memory(plan)
        details = answer.details
        if answer is asked.what_could_go_wrong:
            rows += [*findings(plan.findings), ""] if plan.findings else []
            details = details[len(plan.findings) :]
        rows += [f"- {escaped(detail)}" for detail in details]
        rows += [""] if details else []
        if answer is asked.what_will_run and plan.line:
            rows += [*command(plan), ""]
    return tuple(rows[:-1])


def memory(plan: Plan) -> list[str]:
    """Return one GPU's memory as a bar."""
    fit = plan.fit
    bill = fit.bill
    whole = max(bill.memory, bill.weights + bill.reserve + bill.context)
    return ["```text", f"[{bar(fit)}] {gib(whole)} per GPU", legend(fit), "```", ""]


def command(plan: Plan) -> list[str]:
    """Return the engine's line, folded away."""
    line = plan.line
    if line is None:
        return []
    rows = [code(row) for row in line.lines()]
    body = [f"{row} \\" for row in rows[:-1]] + [rows[-1]]
    summary = "<details><summary>The engine's command line</summary>"
    return [summary, "", "```sh", body[0], *(f"    {row}" for row in body[1:]), "```", "</details>"]


def findings(found: tuple[Finding, ...]) -> list[str]:
    """Return findings as a table, mandatory ones first."""
    rows = [
        f"| {SIGN[one.severity]} | `{one.rule}` | {cell(one.message)} | {cell(one.fix)} |"
        for one in found
    ]
    return ["| | rule | what is true | what to do |", "|---|---|---|---|", *rows]
