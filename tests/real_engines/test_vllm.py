"""Real vLLM behind the guard, on an emulated host: what a whole `pulumi up` ends with."""

from __future__ import annotations

from support.real import Deployed, needs_real_engines

pytestmark = needs_real_engines


def test_an_up_ends_with_a_proven_endpoint_of_real_vllm(vllm: Deployed) -> None:
    answer = vllm.endpoint.chat("Why is the sky blue?", reasoning_mode="deep").json()
    message = answer["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"] != ""
    assert "東京" in message["content"], "characters of several bytes arrive whole"
    assert answer["system_fingerprint"].startswith("vllm-0.32.0"), "this is the real engine"
