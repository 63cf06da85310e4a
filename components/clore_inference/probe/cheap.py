"""A look at an endpoint that costs one small request: for diffs, not for proofs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus

from clore_inference.probe.exchange import Answer, Exchange, NoAnswer
from clore_inference.probe.target import Target
from clore_inference.secret import Secret


@dataclass(frozen=True)
class Healthy:
    """The endpoint opens with the key and serves the model."""


@dataclass(frozen=True)
class Failed:
    """The endpoint answered, and the answer is definitely wrong."""

    reason: str


@dataclass(frozen=True)
class Unreachable:
    """Nothing was learnt: no answer, or one that says "later"."""

    reason: str


def cheap(target: Target, *, timeout_s: float = 3) -> Healthy | Failed | Unreachable:
    """Ask for the list of models with the key, once; never raises for the network."""
    exchange = Exchange(target, deadline_at=time.monotonic() + timeout_s)
    try:
        return _judge(exchange.get("/v1/models", key=target.key), target.model)
    except NoAnswer as error:
        return Unreachable(str(error))
    finally:
        exchange.close()


def is_up(base_url: str, *, timeout_s: float) -> bool:
    """Whether an engine says so itself on the one route that its guard leaves open, `/health`.

    Anything but its 200 is a no, which says nothing. `timeout_s` is in real seconds.
    """
    nobody = Target(base_url=base_url, key=Secret(""), model="", timeout_s=timeout_s)
    exchange = Exchange(nobody, deadline_at=time.monotonic() + timeout_s)
    try:
        return exchange.get("/health", key=None).status == HTTPStatus.OK
    except NoAnswer:
        return False
    finally:
        exchange.close()


def model_ids(answer: Answer) -> list[str]:
    """Return the names in a list of models; empty when it is none."""
    body = answer.json
    rows = body.get("data") if isinstance(body, dict) else None
    listed = rows if isinstance(rows, list) else []
    return [str(row.get("id")) for row in listed if isinstance(row, dict)]


def _judge(answer: Answer, model: str) -> Healthy | Failed | Unreachable:
    if answer.status == 429 or answer.status >= 500:
        return Unreachable(f"the endpoint answered {answer.status}")
    if answer.status != 200:
        return Failed(f"the list of models answered {answer.status}: {answer.message!r}")
    served = model_ids(answer)
    if model not in served:
        return Failed(f"it serves {', '.join(served) or 'no model'}, not {model}")
    return Healthy()
