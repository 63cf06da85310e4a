"""Where engines find weights, and what they say when something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clore_emulator.engines import gguf
from clore_emulator.engines.checkpoint import (
    LoadError,
    cache_folder,
    detect_layout,
    open_checkpoint,
    snapshot,
)
from support.emulated_engine import REPOSITORY, fill_cache

OFFLINE = {"HF_HUB_OFFLINE": "1"}


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/h"}, "/h/.cache/huggingface/hub"),
        ({"HOME": "/h", "HF_HOME": "/x"}, "/x/hub"),
        ({"HOME": "/h", "HF_HOME": "/x", "HF_HUB_CACHE": "/y"}, "/y"),
    ],
)
def test_the_cache_is_where_huggingface_hub_has_it(
    environment: dict[str, str], folder: str
) -> None:
    assert cache_folder(environment) == Path(folder)


def test_a_snapshot_is_found_by_branch_and_by_commit(tmp_path: Path) -> None:
    filled = fill_cache(tmp_path)
    environment = {"HOME": str(tmp_path), **OFFLINE}
    for revision in (None, "main", filled.name):
        assert snapshot(REPOSITORY, revision, environment, []) == filled


def test_an_absent_snapshot_offline_is_an_error_in_the_real_words(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="outgoing traffic has been disabled"):
        snapshot(REPOSITORY, "main", {"HOME": str(tmp_path), **OFFLINE}, [])


@pytest.mark.parametrize("layout", ["mistral", "hf"])
def test_both_layouts_tell_the_real_size_and_architecture(tmp_path: Path, layout: str) -> None:
    folder = fill_cache(tmp_path)
    found = open_checkpoint(folder, "mistral" if layout == "mistral" else "hf", REPOSITORY)
    assert found.total_bytes == 133_605_834_656
    assert len(found.shards) == 4
    architecture = found.architecture
    assert (architecture.heads, architecture.kv_heads, architecture.max_context) == (96, 8, 262144)
    assert architecture.kv_bytes_per_token(2) == 360_448, "352 KiB in bf16"
    assert architecture.kv_bytes_per_token(2, 16) == 45_056, "a KV head is never split"


def test_automatic_detection_prefers_the_mistral_layout(tmp_path: Path) -> None:
    folder = fill_cache(tmp_path)
    assert detect_layout(folder) == "mistral"
    (folder / "params.json").unlink()
    assert detect_layout(folder) == "hf"


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ("params.json", "Failed to load mistral 'params.json' config"),
        ("consolidated-00003-of-00004.safetensors", "consolidated-00003-of-00004.safetensors"),
    ],
)
def test_a_missing_file_ends_the_load(tmp_path: Path, missing: str, text: str) -> None:
    folder = fill_cache(tmp_path)
    (folder / missing).unlink()
    with pytest.raises(LoadError, match=text):
        open_checkpoint(folder, "mistral", REPOSITORY)


def test_without_index_and_shards_there_are_no_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": []}))
    with pytest.raises(LoadError, match="Cannot find any model weights"):
        open_checkpoint(tmp_path, "hf", "some/model")


def test_a_gguf_file_tells_what_the_real_one_weighs(tmp_path: Path) -> None:
    folder = fill_cache(tmp_path, "unsloth/Mistral-Medium-3.5-128B-GGUF")
    found = gguf.read(folder / "Mistral-Medium-3.5-128B-Q4_K_M.gguf")
    assert found.total_bytes == 74_947_178_496
    assert found.architecture.layers == 88


def test_what_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"PK\x03\x04")
    with pytest.raises(LoadError, match="invalid magic characters"):
        gguf.read(tmp_path / "a.gguf")
    with pytest.raises(LoadError, match="failed to open GGUF file"):
        gguf.read(tmp_path / "absent.gguf")
