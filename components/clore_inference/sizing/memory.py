"""What one token and one GPU hold.

KV cache per token = 2 (key and value) x layers x KV heads x head dimension x bytes per element.
Mistral Medium 3.5: 2 x 88 x 8 x 128 x 2 B = 360,448 B = 352 KiB in bf16, half of it in fp8.
Geometry: https://huggingface.co/mistralai/Mistral-Medium-3.5-128B (params.json).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from clore_inference.catalog import Model

ELEMENT_BYTES: Final[dict[str, Fraction]] = {
    "auto": Fraction(2),
    "bf16": Fraction(2),
    "bfloat16": Fraction(2),
    "f16": Fraction(2),
    "fp8": Fraction(1),
    "fp8_e4m3": Fraction(1),
    "fp8_e5m2": Fraction(1),
    "q8_0": Fraction(17, 16),
    "q4_0": Fraction(9, 16),
}
"""Bytes per element; llama.cpp's q8_0 and q4_0 add a 2-byte scale to each block of 32."""


def kv_bytes_per_token(model: Model, dtype: str) -> int:
    """Bytes of KV cache that one token takes over all GPUs; KeyError for an unknown type."""
    elements = 2 * model.layers * model.kv_heads * model.head_dim
    return int(elements * ELEMENT_BYTES[dtype])


def divides(model: Model, gpus: int) -> bool:
    """Whether tensor parallelism over `gpus` is possible.

    The attention heads and the feed-forward width must split evenly, and the KV heads must split
    evenly or be copied evenly: 1, 2, 4, 8, 16 and 32 for this model.
    """
    if model.heads % gpus or model.ffn % gpus:
        return False
    return model.kv_heads % gpus == 0 or gpus % model.kv_heads == 0
