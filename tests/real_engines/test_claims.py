"""Real vLLM and real llama-server behind the guard, on an emulated host, after a whole `pulumi up`.

One deployment for each engine; the last claim about it changes its context length.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator

import pytest
import requests

from clore_inference.probe.conformance import conformance
from clore_inference.probe.target import Target
from clore_inference.secret import Secret
from support import guide_examples, hostile
from support.engine import Engine
from support.real import MODEL, Deployed, Endpoint, connected, deployed, needs_real_engines

pytestmark = needs_real_engines
WISHES: dict[str, dict[str, str]] = {
    "vllm": {},
    "llamacpp": {
        "topology": "1xH100",
        "precision": "q4_k_m",
        "maxModelLen": "32768",
        "kvCacheDtype": "q8_0",
    },
}
SIGNATURES = {"vllm": "vllm-0.32.0", "llamacpp": "b11434"}
"""How the real ones name themselves in `system_fingerprint`; the simulators do not."""
ATTEMPTS = 1000
AT_WORK = {"vllm": 8, "llamacpp": 1}
"""How many requests an engine works on at once; llama-server lets the others wait."""
ABORTED = 8


@pytest.fixture(scope="module", params=list(WISHES))
def real(
    ours: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Deployed]:
    name = str(request.param)
    with deployed(tmp_path_factory.mktemp(name), ours, name, **WISHES[name]) as found:
        yield found


@pytest.fixture(scope="module")
def endpoint(real: Deployed) -> Endpoint:
    return real.endpoint


def test_an_up_ends_with_a_proven_endpoint_of_the_real_engine(endpoint: Endpoint) -> None:
    answer = endpoint.chat("Why is the sky blue?", reasoning_mode="deep").json()
    message = answer["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"] != ""
    assert "東京" in message["content"], "characters of several bytes arrive whole"
    assert answer["system_fingerprint"].startswith(SIGNATURES[endpoint.engine])
    report = conformance(Target(base_url=endpoint.url, key=Secret(endpoint.key), model=MODEL))
    assert report.passed, "\n".join(report.lines())


def test_a_stream_carries_both_fields_in_every_delta_and_whole_characters(
    endpoint: Endpoint,
) -> None:
    answer = endpoint.chat(reasoning_mode="deep", stream=True)
    lines = [line for line in answer.content.decode().split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    deltas = [
        choice["delta"]
        for line in lines[:-1]
        for choice in json.loads(line.removeprefix("data:"))["choices"]
    ]
    reasoned = [one for one in deltas if one.get("reasoning") or one.get("reasoning_content")]
    assert len(reasoned) > 5, "the trace is streamed"
    assert all(one["reasoning"] == one["reasoning_content"] for one in reasoned)
    assert "東京から with greetings \U0001f642" in "".join(
        one.get("content") or "" for one in deltas
    )


def test_a_deep_question_with_a_tool_reasons_and_then_calls_it(endpoint: Endpoint) -> None:
    tool = {"name": "search_orders", "parameters": {"type": "object", "properties": {}}}
    answer = endpoint.chat(
        "Find all orders.", reasoning_mode="deep", tools=[{"type": "function", "function": tool}]
    )
    message = answer.json()["choices"][0]["message"]
    assert message["reasoning_content"]
    assert message["tool_calls"][0]["function"]["name"] == "search_orders"


def test_every_route_beside_the_allow_list_is_closed_from_outside(endpoint: Endpoint) -> None:
    before = endpoint.tokens()
    seen = {}
    for key in (None, endpoint.key):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        for method, path in hostile.UNGUARDED:
            document = {"prompt": "x", "max_tokens": 4, "messages": []}
            body = None if method in ("GET", "HEAD") else document
            answer = requests.request(
                method, endpoint.url + path, json=body, headers=headers, timeout=60
            )
            seen[method, path, bool(key)] = answer.status_code
    opened = {route: status for route, status in seen.items() if status not in (401, 404)}
    assert not opened
    assert endpoint.tokens() == before


def test_a_thousand_hostile_requests_move_no_token(endpoint: Endpoint) -> None:
    before = endpoint.tokens()
    sent = hostile.attempts(ATTEMPTS, endpoint.key)
    answered = list(asyncio.run(hostile.send_all(endpoint.url, sent)))
    odd = Counter((one.kind, status) for one, status in answered if not one.permits(status))
    assert not odd, odd
    assert endpoint.becomes_idle(), "something is left running"
    assert endpoint.tokens() == before, "a hostile request made the engine read or write"
    assert endpoint.chat().status_code == 200, "whoever has the key is still served"


def test_nothing_is_left_running_after_clients_have_gone(endpoint: Endpoint) -> None:
    at_once = AT_WORK[endpoint.engine]
    gone = [endpoint.chat("Go on forever", stream=True, max_tokens=30_000) for _ in range(at_once)]
    for answer in gone:
        assert next(answer.iter_lines()).startswith(b"data:")
    assert endpoint.running() >= 1
    for answer in gone:
        answer.close()
    assert endpoint.becomes_idle(), "a client that has gone leaves no work behind"
    asyncio.run(_hang_up(endpoint))
    assert endpoint.becomes_idle(), "nor does one that never waited for its answer"


async def _hang_up(endpoint: Endpoint) -> None:
    body = hostile.chat(max_tokens=30_000)
    sent = hostile.request("POST", hostile.CHAT, body, f"Authorization: Bearer {endpoint.key}")
    left = hostile.Hostile("left", sent, (None,), hold_s=0.3)
    await asyncio.gather(*(hostile.send(endpoint.url, left) for _ in range(ABORTED)))


@guide_examples.needs_curl
def test_the_guides_examples_run_through_connect_and_directly(
    real: Deployed, endpoint: Endpoint
) -> None:
    with connected(real.rental) as address:
        guide_examples.run_all(address)
    guide_examples.run_all(endpoint.url, endpoint.key)


def test_another_context_length_restarts_the_engine_and_nothing_else(real: Deployed) -> None:
    order, start = real.rental.order_id(), real.rental.outputs()["startId"]
    fetched = real.market.fetched()["files"]
    real.rental.configure(maxModelLen="16384")
    changed = real.up()
    assert changed.code == 0, changed.text
    assert real.rental.order_id() == order
    assert real.rental.outputs()["startId"] != start
    assert real.market.fetched()["files"] == fetched, "no file moves twice"
    served = requests.get(
        f"{real.endpoint.url}/v1/models",
        headers={"Authorization": f"Bearer {real.endpoint.key}"},
        timeout=60,
    ).json()["data"][0]
    known = served.get("max_model_len") or served["meta"]["n_ctx"]
    assert known == 16384, "the engine itself says so"
