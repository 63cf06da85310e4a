"""The little of the GGUF container that the llama-server simulator and the hub need.

Format: github ggml-org/ggml docs/gguf.md, version 3. Only metadata; there are no tensors.
`emulator.weights_bytes` is ours: what the real file weighs.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

from clore_emulator.engines.checkpoint import Architecture, Checkpoint, LoadError

MAGIC: Final = b"GGUF"
_VERSION: Final = 3
_UINT64, _STRING = 10, 8

Value = int | str


def header(metadata: dict[str, Value]) -> bytes:
    """The bytes of a GGUF file without tensors."""
    parts = [MAGIC, struct.pack("<IQQ", _VERSION, 0, len(metadata))]
    for key, value in metadata.items():
        parts.append(_text(key))
        if isinstance(value, int):
            parts.append(struct.pack("<IQ", _UINT64, value))
        else:
            parts.append(struct.pack("<I", _STRING) + _text(value))
    return b"".join(parts)


def read(path: Path) -> Checkpoint:
    """Open a GGUF file of the hub's kind; LoadError in llama.cpp's words."""
    try:
        with path.open("rb") as file:
            metadata = _metadata(file, path)
            weights = int(metadata["emulator.weights_bytes"])
            architecture = Architecture(
                layers=int(metadata["llama.block_count"]),
                heads=int(metadata["llama.attention.head_count"]),
                kv_heads=int(metadata["llama.attention.head_count_kv"]),
                head_dim=int(metadata["llama.attention.key_length"]),
                max_context=int(metadata["llama.context_length"]),
            )
    except OSError as error:
        message = f"gguf_init_from_file: failed to open GGUF file '{path}' ({error.strerror})"
        raise LoadError(message) from error
    except (KeyError, struct.error) as error:
        message = f"llama_model_load: error loading model: {error} not found in {path}"
        raise LoadError(message) from error
    return Checkpoint(path.parent, "gguf", (path.name,), weights, architecture)


def _metadata(file: BinaryIO, path: Path) -> dict[str, Value]:
    if (magic := file.read(4)) != MAGIC:
        shown = magic.decode("latin-1")
        message = f"gguf_init_from_file_ptr: invalid magic characters: '{shown}', expected 'GGUF'"
        raise LoadError(f"{message} in {path}")
    _, _, count = struct.unpack("<IQQ", file.read(20))
    found: dict[str, Value] = {}
    for _ in range(count):
        key = _read_text(file)
        (kind,) = struct.unpack("<I", file.read(4))
        if kind == _UINT64:
            (found[key],) = struct.unpack("<Q", file.read(8))
        else:
            found[key] = _read_text(file)
    return found


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _read_text(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    return file.read(length).decode()
