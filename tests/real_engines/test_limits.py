"""What the guard's limits do to a real engine, and what the guard costs it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tools.real_engines.arms import BARE
from tools.real_engines.pairs import LEAST_SHARE, MOST_MS, Arm, added_ms, share

from support import real_direct
from support.hostile import CHAT
from support.real import MODEL, Endpoint, needs_real_engines

pytestmark = needs_real_engines
TIMEOUT_S = 20.0
"""Longer than any measured request takes, shorter than words without end."""
SHORT_S = 2.0
"""Shorter than llama-server needs to fill the tiny model's context."""
FOREVER = {"max_tokens": 60_000}
H100_TOKENS_PER_S = 45.0
"""What the weights of Q4_K_M let one H100 decode: memory bandwidth over bytes."""
PAIRS = 15
TOKENS = 400
ONE_TOKEN = 1


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with real_direct.vllm(tmp_path_factory.mktemp("vllm"), timeout_s=TIMEOUT_S) as found:
        yield found


@pytest.fixture(scope="module")
def llamacpp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, int]]:
    with real_direct.llamacpp(tmp_path_factory.mktemp("llama"), timeout_s=TIMEOUT_S) as found:
        yield found


def a_deadline_ends_both_kinds_of_answers(endpoint: Endpoint) -> None:
    late = endpoint.chat("Go on forever", **FOREVER)
    assert late.status_code == 504
    assert late.json()["error"]["code"] == "deadline_exceeded"
    assert endpoint.becomes_idle(), "the engine goes on for nobody"
    stream = endpoint.chat("Go on forever", stream=True, **FOREVER).content
    last = [line for line in stream.split(b"\n") if line][-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "deadline_exceeded"
    assert endpoint.becomes_idle()


def test_a_deadline_leaves_nothing_running_in_vllm(vllm: Endpoint) -> None:
    a_deadline_ends_both_kinds_of_answers(vllm)


def test_a_deadline_leaves_nothing_running_in_llama_server(
    tmp_path: Path,
) -> None:
    with real_direct.llamacpp(tmp_path, timeout_s=SHORT_S) as (endpoint, _):
        a_deadline_ends_both_kinds_of_answers(endpoint)


def document(tokens: int, **fields: Any) -> dict[str, Any]:
    asked = [{"role": "user", "content": "Go on forever"}]
    return {"model": MODEL, "messages": asked, "max_tokens": tokens, **fields}


def test_the_guard_costs_vllm_no_more_than_was_promised(
    vllm: Endpoint, record_property: Any
) -> None:
    port = urlsplit(vllm.url).port or 0
    bare, guarded = Arm(port, BARE + CHAT, "none"), Arm(port, CHAT, vllm.key)
    stream = document(TOKENS, stream=True)

    async def measure() -> dict[str, float]:
        await share(bare, guarded, stream, pairs=1, clients=8)
        return {
            "added_ms": await added_ms(bare, guarded, document(ONE_TOKEN), PAIRS * 5),
            "share_1": await share(bare, guarded, stream, PAIRS, clients=1),
            "share_8": await share(bare, guarded, stream, PAIRS, clients=8),
        }

    figures = asyncio.run(measure())
    record_property("figures", figures)
    print(f"vllm: {json.dumps(figures)}")
    assert figures["added_ms"] <= MOST_MS, figures
    assert min(figures["share_1"], figures["share_8"]) >= LEAST_SHARE, figures


def test_the_proxy_costs_llama_server_no_more_than_was_promised(
    llamacpp: tuple[Endpoint, int], record_property: Any
) -> None:
    endpoint, inner = llamacpp
    bare = Arm(inner, CHAT, real_direct.ENGINE_KEY)
    guarded = Arm(urlsplit(endpoint.url).port or 0, CHAT, endpoint.key)
    stream = document(TOKENS, stream=True)

    async def measure() -> dict[str, float]:
        await share(bare, guarded, stream, pairs=1, clients=1)
        a_token_ms = await added_ms(bare, guarded, stream, PAIRS) / TOKENS
        return {
            "added_ms": await added_ms(bare, guarded, document(ONE_TOKEN), PAIRS * 5),
            "added_ms_a_token": a_token_ms,
            "share_1_on_an_h100": 1 / (1 + a_token_ms / 1000 * H100_TOKENS_PER_S),
            "share_1_of_the_tiny_model": await share(bare, guarded, stream, PAIRS, clients=1),
        }

    figures = asyncio.run(measure())
    record_property("figures", figures)
    print(f"llama-server: {json.dumps(figures)}")
    assert figures["share_1_on_an_h100"] >= LEAST_SHARE, figures
