"""The comment under a pull request: each stack, before and after, as Markdown. Pure.

The same stack files give the same bytes: no time, no path, no order of chance is in it. Whatever a
stranger wrote into a stack file is shown as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from clore_inference import rules
from clore_inference.errors import ConfigError
from clore_inference.lifecycle.difference import MEANING, difference, in_short
from clore_inference.rules.markdown import cell, command, escaped, findings, memory
from clore_inference.rules.plan import Plan
from clore_inference.rules.questions import answers
from clore_inference.spec import Finding
from clore_inference.spec.reading import Reading, read_values
from clore_inference.spec.stack_file import read_stack_file
from clore_inference.units import duration, usd

MARKER: Final = "<!-- clore-inference preview -->"
"""Its first line; by it the comment is found and updated in place."""
SECRET_IN_TEXT: Final = "clore-secret-forbid-in-text"  # noqa: S105 - the id of a rule
LONGEST: Final = 60_000
"""Characters; GitHub refuses comments above 65,536."""


def shows_secret(found: Sequence[Finding]) -> bool:
    """Whether a plan would repeat a secret that lies in a plain value."""
    return any(one.rule == SECRET_IN_TEXT for one in found)


@dataclass(frozen=True)
class Side:
    """One stack file, judged."""

    text: str

    @cached_property
    def _read(self) -> tuple[Reading, tuple[Finding, ...]] | str:
        try:
            file = read_stack_file(self.text)
        except ConfigError as error:
            return " ".join(error.findings)
        found = rules.check_values(file.values, plain_secrets=file.plain_secrets)
        return read_values(file.values), found

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding; none where the file is not a stack file."""
        return () if isinstance(self._read, str) else self._read[1]

    @property
    def unreadable(self) -> str:
        """Why it is not a stack file; empty if it is one."""
        return self._read if isinstance(self._read, str) else ""

    @property
    def refused(self) -> bool:
        """Whether it must not be merged."""
        return bool(self.unreadable) or any(one.severity == "mandatory" for one in self.findings)

    @cached_property
    def plan(self) -> Plan | None:
        """The plan; None where a value could not be read, or holds a secret that it would show."""
        if isinstance(self._read, str) or self._read[0].findings or shows_secret(self.findings):
            return None
        return rules.plan(self._read[0].spec, self._read[1])


@dataclass(frozen=True)
class Stack:
    """A stack before and after; None where it does not exist."""

    name: str
    base: Side | None
    head: Side | None

    @property
    def changed(self) -> bool:
        """Whether the file differs."""
        return self.base != self.head

    @property
    def refused(self) -> bool:
        """Whether what the branch has must not run."""
        return self.head is not None and self.head.refused


def comment(stacks: Sequence[Stack], *, against: str, network: Sequence[str] = ()) -> str:
    """Return the whole comment; `against` names the base, `network` what was asked for besides."""
    refused = [stack.name for stack in stacks if stack.refused]
    verdict = f"REFUSED: {', '.join(refused)}" if refused else "may be merged"
    compared = f"Compared with {against}. " if against else "Not compared with another branch. "
    head = [
        MARKER,
        f"## clore-inference: {escaped(verdict)}",
        "",
        (
            f"{compared}Judged by this branch's rules from the stack files alone: no key, no state, "
            "nothing bought."
        ),
        "",
        *_overview(stacks),
    ]
    tail = [f"- {escaped(line)}" for line in network]
    sections = ["\n".join(_section(stack)) for stack in stacks if stack.changed or stack.refused]
    return _bounded("\n".join(head), sections, "\n".join(tail))


def _bounded(head: str, sections: list[str], tail: str) -> str:
    text = head
    for at, section in enumerate(sections):
        if len(text) + len(section) + len(tail) > LONGEST:
            text += f"\n\n{len(sections) - at} more section(s) are too long for one comment."
            break
        text += f"\n\n{section}"
    return f"{text}\n\n{tail}\n" if tail else f"{text}\n"


def _overview(stacks: Sequence[Stack]) -> list[str]:
    rows = [_row(stack) for stack in stacks]
    return [
        "| stack | | at most a day | at most in all | fits | starts in | findings |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]


def _row(stack: Stack) -> str:
    if stack.head is None:
        return f"| {cell(stack.name)} | removed | | | | | |"
    state = "unchanged" if not stack.changed else "changed" if stack.base else "new"
    told = _tally(stack.head)
    plan = stack.head.plan
    if plan is None:
        return f"| {cell(stack.name)} | {state} | | | | | {told} |"
    fits = f"{plan.fit.concurrency:.2f} requests" if plan.fit.fits else "NO"
    start = duration(plan.startup.seconds)
    return f"| {cell(stack.name)} | {state} | {_money(plan)} | {fits} | {start} | {told} |"


def _money(plan: Plan) -> str:
    if plan.spec.host == "docker":
        return "own host | own host"
    return f"{usd(plan.price.cap_per_day)} | {usd(plan.price.worst_total)}"


def _tally(side: Side) -> str:
    if side.unreadable:
        return "not a stack file"
    refusing = sum(one.severity == "mandatory" for one in side.findings)
    warning = len(side.findings) - refusing
    return f"**{refusing} refuse**, {warning} warn" if refusing else f"{warning} warn"


def _section(stack: Stack) -> list[str]:
    title = f"### {escaped(stack.name)}"
    if stack.head is None:
        text = f"Removed here. A deployment of it goes on billing: `pulumi destroy --stack {stack.name}`"
        return [title, "", f"{escaped(text)} first."]
    if stack.head.unreadable:
        return [title, "", escaped(stack.head.unreadable)]
    return [
        title,
        "",
        *_resources(stack),
        *_values(stack),
        *_findings(stack),
        *_plan(stack.head),
    ]


def _resources(stack: Stack) -> list[str]:
    head = stack.head.plan if stack.head else None
    if head is None or not stack.changed:
        return []
    base = stack.base.plan if stack.base else None
    if stack.base is not None and base is None:
        return ["The base's stack file could not be read, so nothing is compared.", ""]
    steps = difference(base.spec if base else None, head.spec)
    rows = [f"| {step.part} | {MEANING[step.fate]} | {cell(step.because)} |" for step in steps]
    refused = "Refused as it is. If it were not: " if stack.refused else ""
    return [
        f"**{refused}{in_short(steps)}**",
        "",
        "| resource | | why |",
        "|---|---|---|",
        *rows,
        "",
    ]


def _values(stack: Stack) -> list[str]:
    """What is different, in configuration and in figures."""
    head = stack.head.plan if stack.head else None
    base = stack.base.plan if stack.base else None
    if head is None or base is None or not stack.changed:
        return []
    before, after = _figures(base), _figures(head)
    rows = [
        f"| {name} | {cell(before.get(name, ''))} | {cell(after.get(name, ''))} |"
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]
    if not rows:
        return ["Only comments, secrets or spelling differ.", ""]
    return ["| | base | this branch |", "|---|---|---|", *rows, ""]


def _figures(plan: Plan) -> dict[str, str]:
    flat = {name: str(value) for name, value in plan.spec.flat().items()}
    per_million = plan.ceiling and plan.ceiling.usd_per_million_tokens(plan.price.cap_per_day)
    return flat | {
        "*worst case of a day*": usd(plan.price.worst_day),
        "*worst case in all, if nobody ends it*": usd(plan.price.worst_total),
        "*largest context*": f"{plan.fit.largest_context:,}",
        "*full requests at once*": f"{plan.fit.concurrency:.2f}",
        "*cold start*": duration(plan.startup.seconds),
        "*per million tokens, at cap and roofline*": usd(per_million) if per_million else "",
    }


def _findings(stack: Stack) -> list[str]:
    if stack.head is None:
        return []
    before = {one.text for one in stack.base.findings} if stack.base else set()
    found = stack.head.findings
    gone = len(before - {one.text for one in found})
    new = sum(one.text not in before for one in found) if stack.base else len(found)
    if not found:
        return [f"No findings; {gone} less than on the base.", ""]
    return [f"{len(found)} finding(s), {new} of them new; {gone} gone.", "", *findings(found), ""]


def _plan(side: Side) -> list[str]:
    if side.plan is None:
        return ["No plan: first every value must be readable, and none may hold a secret."]
    asked = answers(side.plan)
    told = [f"- **{one.question}** {escaped(one.answer)}" for one in asked.in_order()]
    return [*told, "", *memory(side.plan), *command(side.plan)]
