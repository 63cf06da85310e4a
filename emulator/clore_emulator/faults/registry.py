"""The table of faults: each a named sentence, with where it acts and what it takes.

A fault is one function `effect(call, args)`, run in its phase of a matching request. It returns an
answer (before: the request is not handled; after_commit: the answer is replaced) or None.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clore_emulator.answer import Answer

from .call import ENDPOINTS, Call, Phase


@dataclass(frozen=True)
class Firing:
    """The arguments of a fault, and how often it has fired before."""

    args: Mapping[str, Any]
    fired_before: int

    def number(self, name: str) -> float:
        return float(self.args[name])

    def text(self, name: str) -> str:
        return str(self.args[name])


Effect = Callable[[Call, Firing], Awaitable[Answer | None]]


@dataclass(frozen=True)
class Parameter:
    """One argument of a fault; `default` None means that it must be given or is found out."""

    name: str
    type: type
    default: Any
    doc: str


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    name: str
    summary: str
    on: tuple[str, ...]
    phase: Phase
    effect: Effect
    parameters: tuple[Parameter, ...] = ()
    any_phase: bool = False
    """Whether a rule may choose another phase."""
    only_accepted: bool = False
    """Counts and fires only on requests that the marketplace accepted."""
    times: int | None = 1
    """How often it fires when the rule does not say; None is for ever."""
    times_parameter: str | None = None
    """The argument that says how often it fires, as in `list_fails(3)`."""


REGISTRY: Final[dict[str, Fault]] = {}
ANY: Final = ENDPOINTS


def fault(  # noqa: PLR0913 - one word for each column of the table
    name: str,
    summary: str,
    *,
    on: tuple[str, ...],
    phase: Phase = "before",
    parameters: tuple[Parameter, ...] = (),
    any_phase: bool = False,
    only_accepted: bool = False,
    times: int | None = 1,
    times_parameter: str | None = None,
) -> Callable[[Effect], Effect]:
    """Enter an effect into the table."""

    def enter(effect: Effect) -> Effect:
        if name in REGISTRY:
            message = f"fault {name} is registered twice"
            raise ValueError(message)
        REGISTRY[name] = Fault(
            name, summary, on, phase, effect, parameters, any_phase, only_accepted, times,
            times_parameter,
        )  # fmt: skip
        return effect

    return enter
