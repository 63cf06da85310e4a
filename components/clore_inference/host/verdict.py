"""What a follower makes of a status: go on, start again, done, or a named failure; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

FRESH_FAILURE_S: Final = 60.0
"""Real seconds: an older failure was another call's, and this one tries again."""


@dataclass(frozen=True)
class Wait:
    """The job runs."""


@dataclass(frozen=True)
class Done:
    """The job reached what was asked for."""

    result: dict[str, Any]


@dataclass(frozen=True)
class StartAgain:
    """The job is neither running nor complete."""

    reason: str


@dataclass(frozen=True)
class Failure:
    """The job ended with a named cause."""

    kind: str
    text: str
    tail: tuple[str, ...]
    kept: bool = False
    """It never took the place of what ran before, which goes on."""


Verdict = Wait | Done | StartAgain | Failure

_RESULT: Final = {
    "weights": ("kind", "job", "start_id", "snapshot", "revision", "files", "bytes"),
    "engine": ("kind", "job", "start_id", "models", "restarts", "certificate"),
}
_GOAL: Final = {"weights": "complete", "engine": "running"}


def judge(status: Mapping[str, Any], *, kind: str, job: str) -> Verdict:
    """Decide from one answer of the supervisor (`look` in `travelling/supervisor.py`)."""
    state = status.get("state", "absent")
    other = _not_ours(status, job)
    if other:
        return StartAgain(other)
    if state == "failed":
        return _failed(status)
    if state == _GOAL[kind] and (status.get("alive") or kind == "weights"):
        return Done({name: status.get(name) for name in _RESULT[kind]})
    if not status.get("alive"):
        return StartAgain(f"the job ended while it was {state}, as a restart of its container does")
    return Wait()


def _not_ours(status: Mapping[str, Any], job: str) -> str:
    state = status.get("state", "absent")
    if state == "absent":
        return "the host knows no such job"
    if status.get("job") != job:
        return "the host runs another job of this kind"
    return "the job was stopped" if state in ("stopped", "stopping") else ""


def _failed(status: Mapping[str, Any]) -> Verdict:
    failure = status.get("failure") or {}
    kind, text = str(failure.get("kind", "unexpected")), str(failure.get("text", "no reason given"))
    age_s = float(status.get("now") or 0) - float(status.get("updated_at") or 0)
    if status.get("told") or age_s > FRESH_FAILURE_S:
        return StartAgain(f"an earlier start failed ({kind})")
    tail = tuple(str(line) for line in status.get("tail") or ())
    return Failure(kind, text, tail, bool(status.get("kept")))
