"""Which release an order's image brings, and what a person is told when another one is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clore_inference import catalog
from clore_inference.errors import ConfigError
from clore_inference.lifecycle.installation import beside, brought, installation
from clore_inference.lifecycle.wanted import serve_job
from clore_inference.spec import DeploymentSpec

VLLM = "vllm/vllm-openai:v0.32.0"


def wish(**values: Any) -> DeploymentSpec:
    return DeploymentSpec.parse({"licenseUse": "evaluation", "maxUsdPerDay": 60, **values})


@pytest.mark.parametrize(
    ("image", "release"),
    [
        (VLLM, "vllm-0.32.0"),
        (f"{VLLM}@sha256:{'0' * 64}", "vllm-0.32.0"),
        ("lmsysorg/sglang:v0.5.23", "sglang-0.5.23"),
        ("ghcr.io/ggml-org/llama.cpp:full-cuda-b11434", "llamacpp-b11434"),
        ("registry.example/ours:1", ""),
        ("", ""),
    ],
)
def test_an_engines_own_image_says_its_release(image: str, release: str) -> None:
    assert catalog.release_of(image) == release


def test_every_recommended_release_can_be_installed_beside_another_engine() -> None:
    for engine in ("vllm", "sglang", "llamacpp"):
        assert catalog.recommended(engine).id in catalog.locked_versions(engine)


def test_no_lock_has_the_trap_that_makes_every_chat_answer_400() -> None:
    for version in catalog.locked_versions("vllm"):
        lock = catalog.engine_lock("vllm", version)
        assert lock is not None
        found = [line for line in lock.text.splitlines() if " mistral_common-" in line]
        assert len(found) == 1
        minor = int(found[0].split(" mistral_common-")[1].split(".")[1])
        assert minor < 13, "mistral_common 1.13.0 breaks --tool-call-parser mistral"


def test_the_images_own_engine_is_installed_by_nobody() -> None:
    spec = wish()
    assert beside(spec, VLLM) == ""
    job = serve_job(spec).on_image(brought(spec, VLLM))
    assert job.install is not None
    assert job.install.lock == "", "and its lock does not travel"


def test_another_engine_is_told_with_its_size_before() -> None:
    text = beside(wish(engine="sglang"), VLLM)
    assert text.startswith("sglang 0.5.23 is installed beside the image's vllm 0.32.0 first")
    assert "207 files, 4.3 GB to fetch" in text
    assert "the engine that runs serves until then" in text


def test_another_version_is_told_too_and_one_without_a_lock_says_what_else_there_is() -> None:
    assert "vllm 0.30.0 is installed beside" in beside(wish(engineVersion="0.30.0"), VLLM)
    text = beside(wish(engineVersion="0.33.0"), VLLM)
    assert "has no lock, so it cannot be installed" in text
    assert "raise generation" in text
    assert "0.30.0" in text


def test_who_names_an_image_and_no_version_means_what_is_in_it() -> None:
    named = wish(image="vllm/vllm-openai:v0.31.0")
    assert beside(named, "vllm/vllm-openai:v0.31.0") == ""
    asked = wish(image="vllm/vllm-openai:v0.31.0", engineVersion="0.30.0")
    assert "is installed beside" in beside(asked, "vllm/vllm-openai:v0.31.0")


def test_an_image_of_ones_own_is_looked_at_by_its_host() -> None:
    assert installation(wish(image="registry.example/ours:1")).exact is False
    assert installation(wish(engineVersion="0.30.0")).exact is True
    assert beside(wish(), "registry.example/ours:1") == ""


def test_a_lock_of_ones_own_is_a_file_or_a_folder(tmp_path: Path) -> None:
    text = f"# mine\n{'0' * 64} 12 vllm-0.32.0-py3-none-any.whl\n"
    (tmp_path / "vllm-0.32.0.lock").write_text(text, encoding="utf-8")
    for place in (tmp_path, tmp_path / "vllm-0.32.0.lock"):
        assert installation(wish(engineLock=str(place))).lock == text
    assert installation(wish(engine="sglang", engineLock=str(tmp_path))).lock == ""


def test_a_lock_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("torch==2.13.0\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 1 is not"):
        installation(wish(engineLock=str(tmp_path / "bad")))
    with pytest.raises(ConfigError, match="cannot be read"):
        installation(wish(engineLock=str(tmp_path / "absent")))
