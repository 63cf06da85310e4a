"""An engine that was installed beside the image's own sees its own packages, and the driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from clore_inference.host.travelling.environment import engine_environment

PLACE = Path("/root/.clore-inference/engines/sglang-0.5.23-abc")
IMAGE = "/usr/local/nvidia/lib64:/usr/local/cuda/lib64"


def environment(monkeypatch: pytest.MonkeyPatch, engine: str, place: Path | None) -> dict[str, str]:
    monkeypatch.setenv("LD_LIBRARY_PATH", IMAGE)
    monkeypatch.setenv("PYTHONPATH", "/image/packages")
    job = {"environment": {}, "guard": {"engine": engine}}
    return engine_environment(job, guard_file=Path("/g.json"), engine_key="k", place=place)


def test_the_images_cuda_does_not_come_before_the_one_of_the_wheels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = environment(monkeypatch, "sglang", PLACE)
    assert found["LD_LIBRARY_PATH"] == "/usr/local/nvidia/lib64"
    assert found["PATH"].startswith(f"{PLACE}/bin:")
    assert "/image/packages" not in found["PYTHONPATH"]


def test_what_was_built_with_the_images_cuda_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment(monkeypatch, "llamacpp", PLACE)["LD_LIBRARY_PATH"] == IMAGE


def test_the_images_own_engine_sees_what_the_image_set(monkeypatch: pytest.MonkeyPatch) -> None:
    found = environment(monkeypatch, "vllm", None)
    assert found["LD_LIBRARY_PATH"] == IMAGE
    assert "/image/packages" in found["PYTHONPATH"]
    assert "VIRTUAL_ENV" not in found
