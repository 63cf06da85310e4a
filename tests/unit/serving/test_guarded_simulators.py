"""The guide's command lines behind the guard pass the proof, and fail it by name without a flag."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from clore_inference.probe.conformance import conformance
from clore_inference.probe.report import Report
from clore_inference.probe.target import Target
from clore_inference.secret import Secret
from support import simulated
from support.endpoint import KEY, MODEL

pytestmark = pytest.mark.slow  # a process that loads
VLLM = "clore_emulator.engines.vllm"


def prove(base_url: str) -> Report:
    return conformance(Target(base_url=base_url, key=Secret(KEY), model=MODEL))


def test_vllm_behind_the_guard_is_conformant(tmp_path: Path) -> None:
    with simulated.engine(tmp_path, VLLM, *simulated.vllm(tmp_path)) as base_url:
        report = prove(base_url)
        engines_own = {"Authorization": f"Bearer {simulated.ENGINE_KEY}"}
        refused = requests.get(base_url + "/v1/models", headers=engines_own, timeout=5)
    assert report.passed, "\n".join(report.lines())
    assert refused.status_code == 401, "the engine's private key opens nothing at the door"


def test_sglang_behind_the_guard_is_conformant(tmp_path: Path) -> None:
    flags = simulated.sglang(tmp_path)
    with simulated.engine(tmp_path, "clore_sglang", *flags) as base_url:
        report = prove(base_url)
    assert report.passed, "\n".join(report.lines())


@pytest.mark.parametrize(
    ("flag", "check", "failures"),
    [
        ("--reasoning-parser", "chat-deep", {"reasoning-leaked", "reasoning-empty"}),
        ("--enable-auto-tool-choice", "tool-call", {"tool-call-as-text", "chat-refused"}),
        ("--served-model-name", "model-id", {"wrong-model"}),
        ("--middleware", "routes-closed", {"route-open"}),
    ],
)
def test_a_missing_flag_fails_by_name(
    tmp_path: Path, flag: str, check: str, failures: set[str]
) -> None:
    with simulated.engine(tmp_path, VLLM, *simulated.vllm(tmp_path, [flag])) as base_url:
        report = prove(base_url)
    found = {one.name: one.failure for one in report.failed}
    assert found.get(check) in failures, "\n".join(report.lines())
