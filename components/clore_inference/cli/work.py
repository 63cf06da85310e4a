"""For how long an endpoint has generated nothing, by its engine's own counters."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clore_inference.cli.address import reached
from clore_inference.cli.output import note
from clore_inference.cli.stack import Endpoint, Run, endpoints_of, outputs
from clore_inference.cli.survey import Known, Survey
from clore_inference.errors import CloreInferenceError
from clore_inference.market.marketplace import Marketplace
from clore_inference.probe.exchange import Exchange, NoAnswer
from clore_inference.probe.target import Target
from clore_inference.serving import ops_key

ASK_TIMEOUT_S: Final = 20.0
"""Real seconds for one page of metrics, through a relay."""

_NUMBER: Final = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_SAMPLE: Final = re.compile(
    rf"^(?:vllm|sglang|llamacpp):(?P<name>[a-z_]+)(?:\{{.*\}})?\s+(?P<value>{_NUMBER})\s*$",
    re.MULTILINE,
)
DONE: Final = frozenset(
    {"prompt_tokens_total", "generation_tokens_total", "tokens_predicted_total"}
)
RUNNING: Final = frozenset({"num_requests_running", "num_running_reqs", "requests_processing"})


@dataclass(frozen=True)
class Work:
    """What an engine has done since it started, and whether it is at it."""

    tokens: float
    running: bool


def work_of(page: str) -> Work | None:
    """Read a page of metrics (vLLM, SGLang or llama.cpp); None where it tells no tokens."""
    found = [(one["name"], float(one["value"])) for one in _SAMPLE.finditer(page)]
    if not any(name in DONE for name, _ in found):
        return None
    tokens = sum(value for name, value in found if name in DONE)
    return Work(tokens, any(value > 0 for name, value in found if name in RUNNING))


def idle_seconds(market: Marketplace, known: Known, survey: Survey, run: Run) -> dict[int, float]:
    """Return marketplace seconds without a new token, by order.

    Counted from the first look that saw the present number, so it needs the state directory of
    earlier runs. An endpoint that does not tell is missing: not knowing is not idle.
    """
    active = {bill.order_id for bill in survey.ours}
    found: dict[int, float] = {}
    for stack in known.stacks:
        try:
            endpoints = endpoints_of(outputs(stack, known.directory, run))
        except CloreInferenceError as error:
            note(f"Whether {stack} is idle is unknown: {error}")
            continue
        for endpoint in endpoints:
            order_id = int(endpoint.order_id) if endpoint.order_id.isdigit() else 0
            if order_id in active and (work := asked(endpoint, note)) is not None:
                found[order_id] = since(market, order_id, work)
    return found


def asked(endpoint: Endpoint, say: Callable[[str], None]) -> Work | None:
    """Ask an engine through its guard, with the operator's key; None where it does not tell."""
    if endpoint.login is None:
        say("Whether the endpoint is idle is unknown: its stack has no output `ssh`.")
        return None
    key = ops_key(endpoint.login.private_key)
    try:
        with reached(endpoint, say) as base_url:
            target = Target(base_url, key, endpoint.model, ASK_TIMEOUT_S)
            exchange = Exchange(target, time.monotonic() + ASK_TIMEOUT_S)
            try:
                answer = exchange.get("/metrics", key=key)
            finally:
                exchange.close()
    except (CloreInferenceError, NoAnswer) as error:
        say(f"Whether order {endpoint.order_id} is idle is unknown: {error}")
        return None
    work = work_of(answer.text) if answer.status == 200 else None
    if work is None:
        say(
            f"Whether order {endpoint.order_id} is idle is unknown: its engine shows no metrics "
            f"(HTTP {answer.status})."
        )
    return work


def since(market: Marketplace, order_id: int, work: Work) -> float:
    """Return for how long the count has stood still, and remember it."""
    name, now = f"work-{order_id}", market.clock.now()
    before = market.store.read(name) or {}
    begun = before.get("since")
    is_still = before.get("tokens") == work.tokens and not work.running
    if not is_still or not isinstance(begun, int | float) or begun > now:
        market.store.write(name, {"tokens": work.tokens, "since": now})
        return 0.0
    return now - begun
