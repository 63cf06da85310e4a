from __future__ import annotations

from fnmatch import fnmatch

import pytest

from clore_inference import engines
from clore_inference.errors import ConfigError
from support.wishes import a_spec

REPOSITORY = (
    "params.json", "consolidated-00001-of-00027.safetensors", "consolidated.safetensors.index.json", "tekken.json",
    "config.json", "model-00001-of-00027.safetensors", "model.safetensors.index.json", "chat_template.jinja",
    "SYSTEM_PROMPT.txt", "README.md",
)  # fmt: skip
"""What the published repository has: both layouts, 267 GB."""


def fetched(engine: str) -> set[str]:
    files = engines.weights(a_spec(engine=engine))
    return {
        name for name in REPOSITORY
        if any(fnmatch(name, one) for one in files.allow_patterns)
        and not any(fnmatch(name, one) for one in files.ignore_patterns)
    }  # fmt: skip


def test_vllm_fetches_the_mistral_layout_only() -> None:
    assert {"params.json", "tekken.json", "consolidated-00001-of-00027.safetensors"} <= fetched(
        "vllm"
    )
    assert not any(name.startswith("model") for name in fetched("vllm"))


def test_sglang_fetches_the_huggingface_layout_only() -> None:
    assert {"config.json", "tekken.json", "model-00001-of-00027.safetensors"} <= fetched("sglang")
    assert not any(name.startswith("consolidated") for name in fetched("sglang"))


def test_quantized_files_are_picked_by_name() -> None:
    files = engines.weights(a_spec(engine="llamacpp", precision="q4_k_m", topology="1xH100"))
    assert files.allow_patterns == ("*Q4_K_M*.gguf",)


def test_without_a_pin_the_branch_is_fetched() -> None:
    assert engines.weights(a_spec()).revision == "main"
    assert engines.weights(a_spec(revision="a" * 40)).revision == "a" * 40


def test_the_repository_follows_the_release_or_the_key() -> None:
    assert (
        engines.weights(a_spec(release="upstream")).repository
        == "mistralai/Mistral-Medium-3.5-128B"
    )
    assert engines.weights(a_spec(repository="me/mine")).repository == "me/mine"


def test_a_precision_that_the_release_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="upstream has no checkpoint in bf16"):
        engines.weights(a_spec(release="upstream", precision="bf16"))


@pytest.mark.parametrize(
    ("argv", "image", "engine"),
    [(["vllm", "serve", "m"], "", "vllm"), (["python3", "-m", "vllm.entrypoints.openai.api_server"], "", "vllm"),
     (["--model", "m"], "vllm/vllm-openai:v0.21.0", "vllm"), (["python3", "-m", "sglang.launch_server"], "", "sglang"),
     (["/app/llama-server", "-m", "x"], "", "llamacpp"), (["nginx"], "nginx:1", None), ([], "", None)],
)  # fmt: skip
def test_foreign_lines_are_recognised_by_start_or_image(
    argv: list[str], image: str, engine: str | None
) -> None:
    found = engines.recognise(argv, image=image)
    assert (found.engine if found else None) == engine


@pytest.mark.parametrize(
    ("image", "version"),
    [("vllm/vllm-openai:v0.8.5", "0.8.5"), ("vllm/vllm-openai:latest", ""), ("vllm/vllm-openai", ""),
     ("vllm/vllm-openai:v0.21.0@sha256:" + "a" * 64, "0.21.0")],
)  # fmt: skip
def test_a_foreign_version_is_read_from_its_tag(image: str, version: str) -> None:
    found = engines.recognise(["vllm", "serve"], image=image)
    assert found
    assert found.version == version


@pytest.mark.parametrize(("engine", "precision"), [("llamacpp", "fp8"), ("vllm", "q4_k_m")])
def test_an_engine_without_files_it_can_load_is_refused(engine: str, precision: str) -> None:
    with pytest.raises(ConfigError, match="layout"):
        engines.weights(a_spec(engine=engine, precision=precision))
