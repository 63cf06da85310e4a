"""SGLang's own HTTP server behind our launcher: everything but the computing is the real release's.

SGLang 0.5.23 cannot compute without a GPU. Its parser, application, middleware, key check, handlers,
reasoning and tool parsers run here; a script stands for the processes behind them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from clore_inference.probe.conformance import conformance
from clore_inference.probe.target import Target
from clore_inference.secret import Secret
from support import guide_examples, hostile, real_direct
from support.real import MODEL, needs_real_engines

pytestmark = needs_real_engines
TIMEOUT_S = 30.0
ATTEMPTS = 1040
IDLE_WITHIN_S = 20.0
OWN_ROUTES = (
    ("GET", "/health_generate"), ("GET", "/model_info"), ("GET", "/get_model_info"),
    ("GET", "/get_server_info"), ("POST", "/encode"), ("POST", "/flush_cache"),
    ("POST", "/update_weights_from_disk"), ("POST", "/update_weights_from_tensor"),
    ("POST", "/open_session"), ("POST", "/abort_request"), ("POST", "/set_internal_state"),
    ("POST", "/release_memory_occupation"), ("POST", "/v1/tokenize"), ("POST", "/v1/score"),
    ("POST", "/v1/decisions"), ("POST", "/api/generate"), ("GET", "/api/tags"),
    ("POST", "/v1/systemone"), ("POST", "/vertex_generate"), ("GET", "/ready"),
)  # fmt: skip
"""Routes of the release's application that the other engines do not have."""


@pytest.fixture(scope="module")
def sglang(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    with real_direct.sglang(tmp_path_factory.mktemp("sglang"), timeout_s=TIMEOUT_S) as found:
        yield found


def counted(counters: Path) -> dict[str, int]:
    return dict(json.loads(counters.read_text())) if counters.exists() else {"tokens": 0}


def test_the_real_handlers_behind_the_guard_are_conformant(sglang: tuple[str, Path]) -> None:
    target = Target(base_url=sglang[0], key=Secret(real_direct.KEY), model=MODEL)
    report = conformance(target)
    assert report.passed, "\n".join(report.lines())


def test_the_engine_s_own_key_opens_nothing_at_the_door(sglang: tuple[str, Path]) -> None:
    headers = {"Authorization": f"Bearer {real_direct.ENGINE_KEY}"}
    assert requests.get(f"{sglang[0]}/v1/models", headers=headers, timeout=30).status_code == 401


def test_every_route_of_the_application_beside_ours_is_closed(sglang: tuple[str, Path]) -> None:
    url, counters = sglang
    before = counted(counters)["tokens"]
    seen = {}
    for key in (None, real_direct.KEY):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        for method, path in (*hostile.UNGUARDED, *OWN_ROUTES):
            body = None if method in ("GET", "HEAD") else {"text": "x", "prompt": "x"}
            answer = requests.request(method, url + path, json=body, headers=headers, timeout=30)
            seen[method, path, bool(key)] = answer.status_code
    assert not {route: status for route, status in seen.items() if status not in (401, 404)}
    assert counted(counters)["tokens"] == before


def test_a_thousand_hostile_requests_make_no_token(sglang: tuple[str, Path]) -> None:
    url, counters = sglang
    before = counted(counters)["tokens"]
    # /health is open, and SGLang's own makes a token to answer it.
    sent = [
        one
        for one in hostile.attempts(ATTEMPTS, real_direct.KEY)
        if not one.sent.startswith(b"GET /health")
    ]
    assert len(sent) >= 1000
    answered = list(asyncio.run(hostile.send_all(url, sent)))
    odd = Counter((one.kind, status) for one, status in answered if not one.permits(status))
    assert not odd, odd
    assert counted(counters)["tokens"] == before


def test_a_client_that_leaves_ends_its_generation(sglang: tuple[str, Path]) -> None:
    url, counters = sglang
    body = hostile.chat(stream=True, max_tokens=30_000)
    sent = hostile.request("POST", hostile.CHAT, body, f"Authorization: Bearer {real_direct.KEY}")
    left = hostile.Hostile("left", sent, (None,), hold_s=1.0)
    asyncio.run(hostile.send(url, left))
    until = time.monotonic() + IDLE_WITHIN_S
    while counted(counters).get("running"):
        assert time.monotonic() < until, "it goes on for nobody"
        time.sleep(0.1)


@guide_examples.needs_curl
def test_the_guides_examples_run_on_the_real_handlers(sglang: tuple[str, Path]) -> None:
    guide_examples.run_all(sglang[0], real_direct.KEY)
