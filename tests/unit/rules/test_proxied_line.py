"""llama-server is guarded only where nothing but the proxy can be reached."""

from __future__ import annotations

import pytest

from clore_inference.rules import Facts, judge
from support.wishes import a_spec

LINE = "python3 -m clore_llamacpp llama-server -m x.gguf --port 8080"
RAW = "clore-exposure-forbid-raw-engine"


def found(facts: Facts | None) -> set[str]:
    assert facts
    return {one.rule for one in judge(facts) if one.rule.startswith("clore-exposure-")}


@pytest.mark.parametrize("exposure", ["public", "private"])
def test_our_own_line_is_guarded_either_way(exposure: str) -> None:
    spec = a_spec(engine="llamacpp", precision="q4_k_m", topology="1xH100", exposure=exposure)
    assert found(Facts.of_spec(spec)) == set()


def test_a_proxy_may_listen_outside_and_its_engine_may_not() -> None:
    outside = {"CLORE_INFERENCE_LISTEN": "0.0.0.0:8000"}
    inner, open_ = f"{LINE} --host 127.0.0.1".split(), f"{LINE} --host 0.0.0.0".split()
    assert found(Facts.of_engine_line(inner, environment=outside)) == set()
    assert found(Facts.of_engine_line(open_, environment=outside)) == {RAW}


def test_a_bare_llama_server_that_listens_outside_is_raw() -> None:
    line = ["llama-server", "-m", "x.gguf", "--host", "0.0.0.0"]
    assert found(Facts.of_engine_line(line)) == {RAW}
