"""The endpoint proven: every check once, within one deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from clore_inference.probe import fault
from clore_inference.probe.checks import CHECKS
from clore_inference.probe.exchange import Exchange, NoAnswer
from clore_inference.probe.fault import CheckFailed, Fault
from clore_inference.probe.report import Check, Report
from clore_inference.probe.target import Target
from clore_inference.secret import redact

DEADLINE_S: Final = 60.0
"""Real seconds for the whole proof: a provider may not hold the engine longer."""


def _ignore(line: str) -> None:
    del line


def conformance(
    target: Target,
    *,
    deadline_s: float = DEADLINE_S,
    say: Callable[[str], None] = _ignore,
    checks: Mapping[str, Callable[[Exchange], str]] = CHECKS,
) -> Report:
    """Try every check; the report holds failures, nothing is raised for them."""
    exchange = Exchange(target, deadline_at=time.monotonic() + deadline_s)
    found: list[Check] = []
    try:
        for name, check in checks.items():
            found.append(_run(name, check, exchange))
            say(found[-1].lines()[0])
    finally:
        exchange.close()
    return Report(target.base_url, target.model, tuple(found))


def _run(name: str, check: Callable[[Exchange], str], exchange: Exchange) -> Check:
    started = time.monotonic()
    failure: Fault | None = None
    try:
        detail = check(exchange)
    except CheckFailed as error:
        failure, detail = error.fault, str(error)
    except NoAnswer as error:
        failure, detail = fault.NO_ANSWER, str(error)
    seconds = round(time.monotonic() - started, 3)
    detail = redact(_printable(detail), [exchange.target.key])
    if failure is None:
        return Check(name, passed=True, detail=detail, seconds=seconds)
    return Check(
        name,
        passed=False,
        detail=detail,
        explanation=failure.explanation,
        fix=failure.fix,
        failure=failure.name,
        seconds=seconds,
    )


def _printable(text: str) -> str:
    """What a host says is not trusted: no control characters reach a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
