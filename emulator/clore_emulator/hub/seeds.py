"""The repositories that the hub has at start: real names, layouts and numbers, tiny files.

`metadata.total_size` of every index is what the real weights weigh, while each shard here is some
hundred kilobytes: an engine computes with the first, a download moves the second.
Numbers: params.json and shard headers of mistralai/Mistral-Medium-3.5-128B; 255.4 GB of BF16 is the
arithmetic of its published parameters; sizes of the GGUF files from their repository's listing.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from clore_emulator.engines import gguf
from clore_emulator.hub.repository import File, Repository

FP8_BYTES: Final = 133_605_834_656
BF16_BYTES: Final = 255_400_000_000
EAGLE_BYTES: Final = 2_700_000_000
"""Invented: the draft head's size was not recorded."""
SHARDS: Final = 4
SHARD_BYTES: Final = 400_000
GIB: Final = 2**30

UPSTREAM_COMMIT: Final = "c4be198" + "5f1f0e9a7d63b2c8e4a1905f7b3d6c2e8"
GGUF_BYTES: Final = {
    "Q4_K_M": 74_947_178_496,
    "Q4_K_S": 73_000_000_000,
    "IQ4_XS": 69_100_000_000,
    "Q3_K_M": 63_300_000_000,
}
PARAMS: Final = {
    "dim": 12288,
    "n_layers": 88,
    "head_dim": 128,
    "hidden_dim": 28672,
    "n_heads": 96,
    "n_kv_heads": 8,
    "norm_eps": 1e-05,
    "vocab_size": 131072,
    "max_position_embeddings": 262144,
    "max_seq_len": 262144,
    "tied_embeddings": False,
    "yarn": {"original_max_position_embeddings": 4096, "factor": 64, "apply_scale": False},
}
CONFIG: Final = {
    "architectures": ["Mistral3ForConditionalGeneration"],
    "model_type": "mistral3",
    "text_config": {
        "model_type": "ministral3",
        "hidden_size": 12288,
        "intermediate_size": 28672,
        "num_hidden_layers": 88,
        "num_attention_heads": 96,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 262144,
        "vocab_size": 131072,
        "rms_norm_eps": 1e-05,
        "sliding_window": None,
        "rope_parameters": {
            "rope_type": "yarn",
            "factor": 64.0,
            "original_max_position_embeddings": 4096,
        },
    },
}


def repositories() -> tuple[Repository, ...]:
    """Both columns of names: the guide's, gated, and upstream's; always the same bytes."""
    guide = {"license": "other", "license_name": "mrl"}
    upstream = {"license": "other", "license_name": "modified-mit"}
    return (
        _both_layouts("mistralai/Mistral-Medium-3.5-FP8", FP8_BYTES, gated=True, card=guide),
        _both_layouts("mistralai/Mistral-Medium-3.5", BF16_BYTES, gated=True, card=guide),
        _both_layouts(
            "mistralai/Mistral-Medium-3.5-128B", FP8_BYTES, commit=UPSTREAM_COMMIT, card=upstream
        ),
        _eagle("mistralai/Mistral-Medium-3.5-128B-EAGLE", upstream),
        _gguf("unsloth/Mistral-Medium-3.5-128B-GGUF", upstream),
    )


def _both_layouts(
    name: str,
    total: int,
    *,
    card: Mapping[str, Any],
    gated: bool = False,
    commit: str | None = None,
) -> Repository:
    quantized = {"quantization_config": {"quant_method": "fp8", "activation_scheme": "static"}}
    extra = quantized if total == FP8_BYTES else {}
    quantization = {"quantization": {"qformat_weight": "fp8_e4m3"}} if extra else {}
    files = [
        *_text_files(name),
        _json("params.json", {**PARAMS, **quantization}),
        _json("config.json", {**CONFIG, "dtype": "bfloat16", **extra}),
        _json("generation_config.json", {"bos_token_id": 1, "eos_token_id": 2}),
        *_shards(name, "consolidated-{:05d}-of-{:05d}.safetensors", "consolidated", total),
        *_shards(name, "model-{:05d}-of-{:05d}.safetensors", "model", total),
    ]
    return Repository(name, commit or _commit(name), _sorted(files), gated=gated, card=card)


def _eagle(name: str, card: Mapping[str, Any]) -> Repository:
    index = _index({"layers.0.attention.wq.weight": "consolidated.safetensors"}, EAGLE_BYTES)
    files = [
        *_text_files(name),
        _json("params.json", {**PARAMS, "n_layers": 2}),
        _json("consolidated.safetensors.index.json", index),
        File("consolidated.safetensors", _safetensors(name, SHARD_BYTES // 4), lfs=True),
    ]
    return Repository(name, _commit(name), _sorted(files), card=card)


def _gguf(name: str, card: Mapping[str, Any]) -> Repository:
    files = [File("README.md", f"# {name}\n".encode())]
    for kind, weights in GGUF_BYTES.items():
        metadata: dict[str, gguf.Value] = {
            "general.architecture": "llama",
            "general.name": "Mistral Medium 3.5 128B",
            "llama.block_count": 88,
            "llama.context_length": 262144,
            "llama.attention.head_count": 96,
            "llama.attention.head_count_kv": 8,
            "llama.attention.key_length": 128,
            "emulator.weights_bytes": weights,
        }
        noise = _noise(f"{name}/{kind}", SHARD_BYTES * 2)
        path = f"Mistral-Medium-3.5-128B-{kind}.gguf"
        files.append(File(path, gguf.header(metadata) + noise, lfs=True))
    mmproj = gguf.header({"general.architecture": "clip"}) + _noise(f"{name}/mmproj", SHARD_BYTES)
    files.append(File("mmproj-BF16.gguf", mmproj, lfs=True))
    return Repository(name, _commit(name), _sorted(files), card=card)


def _text_files(name: str) -> list[File]:
    tokenizer = {
        "config": {"version": "v15", "default_vocab_size": 131072, "num_vocab_tokens": 150000},
        "vocab": [],
        "special_tokens": [],
    }
    attributes = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
    return [
        File(".gitattributes", attributes.encode()),
        File("README.md", f"# {name}\n\nA stand-in with the layout of the real one.\n".encode()),
        _json("tekken.json", tokenizer),
        File("chat_template.jinja", b"{{ messages }}\n"),
    ]


def _shards(name: str, pattern: str, layout: str, total: int) -> Iterator[File]:
    """Shards and their index; each layer's first tensor stands for the layer."""
    names = [pattern.format(number + 1, SHARDS) for number in range(SHARDS)]
    prefix = "layers" if layout == "consolidated" else "model.language_model.layers"
    layers = int(PARAMS["n_layers"])  # type: ignore[call-overload]
    weights = {
        f"{prefix}.{layer}.attention.wq.weight": names[layer * SHARDS // layers]
        for layer in range(layers)
    }
    yield _json(f"{layout}.safetensors.index.json", _index(weights, total))
    for file in names:
        yield File(file, _safetensors(f"{name}/{file}", SHARD_BYTES), lfs=True)


def _index(weights: Mapping[str, str], total: int) -> dict[str, Any]:
    return {"metadata": {"total_size": total}, "weight_map": dict(weights)}


def _safetensors(seed: str, size: int) -> bytes:
    """A valid safetensors file with one tensor of noise."""
    tensor = {"noise": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    head = json.dumps(tensor).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + _noise(seed, size)


def _noise(seed: str, size: int) -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size)


def _commit(name: str) -> str:
    return hashlib.sha1(f"{name}@main".encode(), usedforsecurity=False).hexdigest()


def _json(path: str, document: Mapping[str, Any]) -> File:
    return File(path, (json.dumps(document, indent=2) + "\n").encode())


def _sorted(files: list[File]) -> tuple[File, ...]:
    return tuple(sorted(files, key=lambda file: file.path))
