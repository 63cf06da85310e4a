"""The tiny model as the vendor publishes models: params.json, consolidated.safetensors, tekken.json.

Formats: `vllm/transformers_utils/configs/mistral.py` (release 0.32) for the parameters,
`mistral_common/tokens/tokenizers/tekken.py` (1.12) for the tokenizer, version 15.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from pathlib import Path
from typing import Any, Final

from tools.real_engines import script, weights

PATTERN: Final = f"{re.escape(script.DEEP)}| ?[0-9A-Za-z_]+|[^0-9A-Za-z_]"
"""How text is cut before it is looked up: the mark of deep mode stays whole."""
PARAMS: Final[dict[str, Any]] = {
    "dim": weights.DIM,
    "n_layers": 1,
    "head_dim": weights.HEAD_DIM,
    "hidden_dim": weights.HIDDEN_DIM,
    "n_heads": weights.HEADS,
    "n_kv_heads": weights.KV_HEADS,
    "norm_eps": 1e-05,
    "vocab_size": script.LEAST_TOKENS,
    "rope_theta": weights.ROPE_THETA,
    "max_position_embeddings": weights.CONTEXT,
    "max_seq_len": weights.CONTEXT,
    "tied_embeddings": False,
}
ONE_OF_TWO: Final = {
    "type": "enum",
    "values": ["none", "high"],
    "accepts_none": True,
    "default": "none",
}
MATRIX_DTYPE: Final = "BF16"


def write(folder: Path) -> None:
    """Write the files of a repository in the vendor's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.json").write_text(json.dumps(PARAMS, indent=1) + "\n")
    (folder / "tekken.json").write_text(json.dumps(tokenizer()) + "\n")
    (folder / "consolidated.safetensors").write_bytes(safetensors(weights.build()))


def tokenizer() -> dict[str, Any]:
    """Return the tokenizer's file."""
    plain = [token for token in script.vocabulary() if not token.is_special]
    vocab = [
        {
            "rank": rank,
            "token_bytes": base64.b64encode(token.text).decode(),
            "token_str": None,
        }
        for rank, token in enumerate(plain)
    ]
    special = [
        {"rank": rank, "token_str": name, "is_control": True}
        for rank, name in enumerate(script.SPECIAL)
    ]
    return {
        "config": {
            "pattern": PATTERN,
            "num_vocab_tokens": len(plain),
            "default_vocab_size": len(plain) + len(special),
            "default_num_special_tokens": len(special),
            "version": "v15",
        },
        "vocab": vocab,
        "special_tokens": special,
        "model_settings_builder": {"reasoning_effort": ONE_OF_TWO},
        "type": "tekken",
        "version": 15,
    }


def safetensors(found: weights.Weights) -> bytes:
    """Return the weights as one file: the length of a JSON header, the header, the tensors."""
    header: dict[str, Any] = {}
    bodies: list[bytes] = []
    at = 0
    vectors = {name: _vector(value) for name, value in found.vectors.items()}
    for name, matrix in {**found.matrices, **vectors}.items():
        body = matrix.bfloat16()
        shape = [matrix.columns] if name in vectors else [matrix.rows, matrix.columns]
        header[name] = {
            "dtype": MATRIX_DTYPE,
            "shape": shape,
            "data_offsets": [at, at + len(body)],
        }
        bodies.append(body)
        at += len(body)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(bodies)


def _vector(value: float) -> weights.Matrix:
    return weights.Matrix(1, weights.DIM, {(0, at): value for at in range(weights.DIM)})
