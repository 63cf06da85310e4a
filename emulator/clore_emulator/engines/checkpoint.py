"""A checkpoint as an engine finds it in the Hugging Face cache: layout, size, architecture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Layout = Literal["mistral", "hf", "gguf"]

OFFLINE: Final = (
    "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot "
    "folder for the specified revision on the local disk and outgoing traffic has been disabled. "
    "To enable repo look-ups and downloads online, set 'HF_HUB_OFFLINE=0' as environment variable."
)
_NAMES: Final = {
    "mistral": ("params.json", "consolidated.safetensors.index.json", "consolidated*.safetensors"),
    "hf": ("config.json", "model.safetensors.index.json", "model*.safetensors"),
}


class LoadError(Exception):
    """The engine ends while loading; the text is the last line it prints."""


@dataclass(frozen=True)
class Architecture:
    """The numbers that decide about memory and context."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    max_context: int

    def kv_bytes_per_token(self, element_bytes: float, tensor_parallel: int = 1) -> float:
        """KV cache of one token on one GPU; a KV head is never split, so it is copied instead."""
        heads = max(1, self.kv_heads // tensor_parallel)
        return 2 * self.layers * heads * self.head_dim * element_bytes


@dataclass(frozen=True)
class Checkpoint:
    """Files that are complete on disk; `total_bytes` is what the real weights weigh."""

    folder: Path
    layout: Layout
    shards: tuple[str, ...]
    total_bytes: int
    architecture: Architecture


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The hub cache as huggingface_hub resolves it."""
    if cache := environment.get("HF_HUB_CACHE"):
        return Path(cache)
    home = environment.get("HF_HOME")
    root = Path(home) if home else Path(environment["HOME"]) / ".cache" / "huggingface"
    return root / "hub"


def snapshot(
    model: str, revision: str | None, environment: Mapping[str, str], patterns: list[str]
) -> Path:
    """The folder of a model: a local folder, a cached snapshot, or one fetched now.

    Raises LoadError when it is not cached and HF_HUB_OFFLINE forbids to fetch it, or the hub
    refuses.
    """
    if Path(model).is_dir():
        return Path(model)
    cache = cache_folder(environment)
    repository = cache / f"models--{model.replace('/', '--')}"
    wanted = revision or "main"
    reference = repository / "refs" / wanted
    commit = reference.read_text("utf-8").strip() if reference.is_file() else wanted
    folder = repository / "snapshots" / commit
    if environment.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        if not folder.is_dir():
            raise LoadError(OFFLINE)
        return folder
    return _fetch(model, wanted, environment, patterns)


def _fetch(model: str, revision: str, environment: Mapping[str, str], patterns: list[str]) -> Path:
    """Download like the engine would; nothing moves when the cache is complete."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - seconds of import
    from huggingface_hub.errors import (  # noqa: PLC0415
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    try:
        return Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=patterns,
                cache_dir=cache_folder(environment),
                endpoint=environment.get("HF_ENDPOINT"),
                token=environment.get("HF_TOKEN"),
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        message = f"{name}: {error}"
        raise LoadError(message) from error


def open_checkpoint(folder: Path, layout: Layout, model: str) -> Checkpoint:
    """Check that a layout is whole and read its numbers; LoadError in the engines' words."""
    if layout == "gguf":
        message = "a GGUF file is opened with gguf.read"
        raise ValueError(message)
    config_name, index_name, pattern = _NAMES[layout]
    config = _json(folder / config_name)
    if config is None:
        message = (
            f"ValueError: Failed to load {layout} '{config_name}' config for model {model}. Please "
            f"check if the model is a {layout}-format model and if the config file exists."
        )
        raise LoadError(message)
    index = _json(folder / index_name)
    if index is None:
        shards = tuple(sorted(path.name for path in folder.glob(pattern)))
        total = sum((folder / name).stat().st_size for name in shards)
    else:
        shards = tuple(sorted(set(index["weight_map"].values())))
        total = int(index["metadata"]["total_size"])
    if not shards:
        message = f"RuntimeError: Cannot find any model weights with `{model}`"
        raise LoadError(message)
    for name in shards:
        if not (folder / name).is_file():
            message = f"FileNotFoundError: No such file or directory: {str(folder / name)!r}"
            raise LoadError(message)
    return Checkpoint(folder, layout, shards, total, _architecture(config, layout))


def detect_layout(folder: Path) -> Layout:
    """`auto`: vLLM prefers the Mistral layout where a repository has it."""
    return "mistral" if (folder / "params.json").is_file() else "hf"


def _architecture(config: dict[str, Any], layout: Layout) -> Architecture:
    if layout == "mistral":
        return Architecture(
            layers=config["n_layers"],
            heads=config["n_heads"],
            kv_heads=config["n_kv_heads"],
            head_dim=config["head_dim"],
            max_context=config["max_position_embeddings"],
        )
    text = config.get("text_config", config)
    return Architecture(
        layers=text["num_hidden_layers"],
        heads=text["num_attention_heads"],
        kv_heads=text["num_key_value_heads"],
        head_dim=text["head_dim"],
        max_context=text["max_position_embeddings"],
    )


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        message = f"OSError: It looks like the config file at '{path}' is not a valid JSON file."
        raise LoadError(message) from error
    return document
