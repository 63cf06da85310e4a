"""Whether weights and KV cache fit the GPUs: arithmetic, in the engines' own words on refusal.

Per GPU: weights / tensor parallel + KV cache + about 4 GiB for activations and graphs <=
utilization x memory. Worked example: 4x H100 (81559 MiB each), 133,605,834,656 bytes of weights,
utilization 0.90: 0.9 x 79.65 - 31.1 - 4 = 36.6 GiB per GPU, 436,000 tokens of 352 KiB in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clore_emulator.engines.checkpoint import Checkpoint, LoadError
from clore_emulator.engines.faults import OUT_OF_MEMORY
from clore_emulator.engines.surroundings import Gpu

GIB: Final = 2**30
OVERHEAD_BYTES: Final = 4 * GIB
"""Activations and CUDA graphs of one GPU: an assumption, not a measurement."""
BLOCK_TOKENS: Final = 16
"""vLLM's KV block on CUDA."""
ELEMENT_BYTES: Final = {
    "auto": 2.0, "bfloat16": 2.0, "float16": 2.0, "bf16": 2.0, "f16": 2.0,
    "fp8": 1.0, "fp8_e4m3": 1.0, "fp8_e5m2": 1.0,
    "q8_0": 34 / 32, "q4_0": 18 / 32, "f32": 4.0,
}  # fmt: skip
"""Bytes of one KV element; the q8_0 and q4_0 blocks of ggml hold 32 elements and a 2-byte scale."""


@dataclass(frozen=True)
class Fit:
    """What is left for the KV cache, per GPU and in tokens."""

    weights_bytes_per_gpu: float
    kv_bytes_per_gpu: float
    kv_bytes_per_token: float
    tokens: int


def kv_fit(
    checkpoint: Checkpoint,
    gpus: Sequence[Gpu],
    *,
    tensor_parallel: int,
    utilization: float,
    kv_dtype: str,
    pipeline_parallel: int = 1,
) -> Fit:
    """The KV pool of one engine. Raises LoadError when the weights alone do not fit a GPU."""
    gpu = gpus[0]
    weights = checkpoint.total_bytes / tensor_parallel / pipeline_parallel
    if weights + OVERHEAD_BYTES / 2 > gpu.memory_bytes:
        raise LoadError(out_of_memory(gpu))
    pool = utilization * gpu.memory_bytes - weights - OVERHEAD_BYTES
    per_token = checkpoint.architecture.kv_bytes_per_token(
        ELEMENT_BYTES.get(kv_dtype, 2.0), tensor_parallel
    )
    per_token /= pipeline_parallel
    tokens = max(0, int(pool // per_token // BLOCK_TOKENS) * BLOCK_TOKENS)
    return Fit(weights, pool, per_token, tokens)


def check_vllm(fit: Fit, context: int) -> None:
    """Refuse like vLLM's engine core when one request of full length does not fit a GPU's pool.

    The texts are those of 0.33.0.
    """
    if fit.kv_bytes_per_gpu <= 0:
        message = (
            "ValueError: No available memory for the cache blocks. Try increasing "
            "`gpu_memory_utilization` when initializing the engine (this flag also controls CPU "
            "memory reservation on the CPU backend, despite its name). See "
            "https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."
        )
        raise LoadError(message)
    needed_bytes = context * fit.kv_bytes_per_token
    if needed_bytes <= fit.kv_bytes_per_gpu:
        return
    message = (
        f"ValueError: To serve at least one request with the model's max seq len ({context}), "
        f"({gib(needed_bytes)} GiB KV cache is needed, which is larger than the available KV cache "
        f"memory ({gib(fit.kv_bytes_per_gpu)} GiB). Based on the available memory, the estimated "
        f"maximum model length is {fit.tokens}. Try increasing `gpu_memory_utilization` (which "
        "also controls CPU memory on the CPU backend) or decreasing `max_model_len` when "
        "initializing the engine. See "
        "https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."
    )
    raise LoadError(message)


def out_of_memory(gpu: Gpu | None) -> str:
    """PyTorch's complaint for a GPU that is full."""
    capacity = (gpu.memory_bytes if gpu else 80 * GIB) / GIB
    return OUT_OF_MEMORY.format(capacity=f"{capacity:.2f}", used=f"{capacity - 0.21:.2f}")


def gib(count: float) -> str:
    """Bytes in GiB with two digits at most, as vLLM prints them."""
    return f"{round(count / GIB, 2)}"
