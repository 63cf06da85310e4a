"""Armed faults: which one meets which request.

A rule is `{"do": NAME, ...}`; everything else has a default. `nth` counts matching requests from
when the rule was set (`"absolute": true`: from the start of the emulator).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from clore_emulator.answer import Answer

from .call import ENDPOINTS, PHASES, Call, Phase
from .registry import REGISTRY, Fault, Firing, Parameter

_WORDS: Final = frozenset(
    {"do", "on", "nth", "times", "probability", "account", "phase", "absolute"}
)
_SHORT_FORM: Final = re.compile(r"(?P<name>\w+)(?:\((?P<value>[^)]*)\))?")


class BadRule(ValueError):
    """A fault rule that cannot be armed; the text says why."""


@dataclass
class Armed:
    """A fault that waits for its request."""

    id: int
    fault: Fault
    on: tuple[str, ...]
    phase: Phase
    nth: int | None
    times: int | None
    probability: float
    account: str | None
    args: dict[str, Any]
    absolute: bool = False
    seen: int = 0
    fired: int = 0

    def document(self) -> dict[str, Any]:
        """The rule as `GET /_admin/faults` shows it."""
        return {
            "id": self.id, "do": self.fault.name, "on": list(self.on), "phase": self.phase,
            "nth": self.nth, "times": self.times, "probability": self.probability,
            "account": self.account, "absolute": self.absolute, **self.args,
            "seen": self.seen, "fired": self.fired,
        }  # fmt: skip

    @property
    def spent(self) -> bool:
        return self.times is not None and self.fired >= self.times


@dataclass
class Board:
    """All armed faults, in the order of their arming."""

    seed: int = 0
    armed: list[Armed] = field(default_factory=list)
    _arrivals: Counter[str] = field(default_factory=Counter)
    _next_id: int = 1

    def __post_init__(self) -> None:
        self._draw = random.Random(f"{self.seed}:faults")  # noqa: S311 - a seeded world

    def arm(self, rule: dict[str, Any]) -> Armed:
        """Arm a rule; raises BadRule."""
        armed = read_rule(rule, self._next_id)
        if armed.absolute:
            armed.seen = sum(self._arrivals[endpoint] for endpoint in armed.on)
        self._next_id += 1
        self.armed.append(armed)
        return armed

    def disarm(self, rule_id: int | None = None) -> int:
        """Lift one rule, or all; returns how many."""
        kept = [armed for armed in self.armed if rule_id is not None and armed.id != rule_id]
        lifted = len(self.armed) - len(kept)
        self.armed = kept
        return lifted

    def arrive(self, endpoint: str) -> None:
        """Count a request, for rules that count from the start."""
        self._arrivals[endpoint] += 1

    async def run(self, phase: Phase, call: Call) -> Answer | None:
        """Run every armed fault that meets the request in this phase; the last answer wins."""
        result: Answer | None = None
        for armed in list(self.armed):
            if armed.phase == phase and self._meets(armed, call):
                firing = Firing(armed.args, armed.fired)
                armed.fired += 1
                call.fired.append(armed.fault.name)
                replaced = await armed.fault.effect(call, firing)
                if replaced is not None:
                    result = call.answer = replaced
        while call.follow_ups:
            self.arm(call.follow_ups.pop())
        return result

    def _meets(self, armed: Armed, call: Call) -> bool:
        if call.endpoint not in armed.on or armed.spent:
            return False
        if armed.account is not None and armed.account != call.account_name:
            return False
        if armed.fault.only_accepted and not (call.answer and call.answer.accepted):
            return False
        armed.seen += 1
        if armed.nth is not None and armed.seen < armed.nth:
            return False
        return armed.probability >= 1 or self._draw.random() < armed.probability


def read_rule(rule: dict[str, Any], rule_id: int = 0) -> Armed:
    """Check a rule and fill in its defaults; raises BadRule."""
    fault, given = _named(rule)
    args = {parameter.name: _argument(parameter, given) for parameter in fault.parameters}
    unknown = set(given) - _WORDS - set(args)
    if unknown:
        allowed = sorted(_WORDS | set(args))
        message = f"fault {fault.name} does not know {sorted(unknown)}; it knows {allowed}"
        raise BadRule(message)
    phase = given.get("phase", fault.phase)
    if phase not in PHASES or (phase != fault.phase and not fault.any_phase):
        message = f"fault {fault.name} acts in phase {fault.phase}, not {phase!r}"
        raise BadRule(message)
    probability = _number(given, "probability", 1.0)
    if not 0 <= probability <= 1:
        message = f"probability {probability} of {fault.name} is not between 0 and 1"
        raise BadRule(message)
    return Armed(
        id=rule_id, fault=fault, on=_endpoints(fault, given), phase=phase,
        nth=_count(given, "nth"), times=_times(fault, given, args),
        probability=probability, account=given.get("account"), args=args,
        absolute=bool(given.get("absolute", False)),
    )  # fmt: skip


def _named(rule: dict[str, Any]) -> tuple[Fault, dict[str, Any]]:
    """The fault, and the rule with the value of the short form `name(value)` in its place."""
    found = _SHORT_FORM.fullmatch(str(rule.get("do", "")).strip())
    name = found["name"] if found else str(rule.get("do", ""))
    fault = REGISTRY.get(name)
    if fault is None:
        nearest = get_close_matches(name, REGISTRY, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        message = f"there is no fault {name!r}{hint} See: clore-emulator faults"
        raise BadRule(message)
    given = dict(rule)
    if found is not None and found["value"]:
        if not fault.parameters:
            message = f"fault {name} takes no value, but got {found['value']!r}"
            raise BadRule(message)
        given[fault.parameters[0].name] = found["value"]
    return fault, given


def _argument(parameter: Parameter, given: dict[str, Any]) -> Any:
    value = given.get(parameter.name, parameter.default)
    if value is None:
        return None
    try:
        return parameter.type(value)
    except (TypeError, ValueError):
        message = f"{parameter.name} must be {parameter.type.__name__}, not {value!r}"
        raise BadRule(message) from None


def _endpoints(fault: Fault, given: dict[str, Any]) -> tuple[str, ...]:
    on = given.get("on")
    if on is None:
        return fault.on
    wanted = ENDPOINTS if on == "any" else tuple([on] if isinstance(on, str) else on)
    wrong = [name for name in wanted if name not in fault.on] if on != "any" else []
    if wrong:
        message = f"fault {fault.name} acts on {', '.join(fault.on)}, not on {', '.join(wrong)}"
        raise BadRule(message)
    return tuple(name for name in wanted if name in fault.on)


def _times(fault: Fault, given: dict[str, Any], args: dict[str, Any]) -> int | None:
    if "times" in given:
        return _count(given, "times")
    if fault.times_parameter is not None:
        return int(args[fault.times_parameter])
    return None if "probability" in given else fault.times


def _count(given: dict[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        message = f"{name} must be a whole number from 1, not {value!r}"
        raise BadRule(message)
    return value


def _number(given: dict[str, Any], name: str, default: float) -> float:
    value = given.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        message = f"{name} must be a number, not {value!r}"
        raise BadRule(message)
    return float(value)
