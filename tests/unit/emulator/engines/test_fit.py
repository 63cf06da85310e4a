"""Memory: what fits which GPUs, and the words when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clore_emulator.engines import vllm_arguments
from clore_emulator.engines.checkpoint import Architecture, Checkpoint, LoadError
from clore_emulator.engines.fit import check_vllm, kv_fit
from clore_emulator.engines.flags import load
from clore_emulator.engines.surroundings import Gpu

ARCHITECTURE = Architecture(layers=88, heads=96, kv_heads=8, head_dim=128, max_context=262144)
H100 = Gpu("NVIDIA H100 80GB HBM3", 81559)
H200 = Gpu("NVIDIA H200", 143771)
FP8_BYTES, BF16_BYTES = 133_605_834_656, 255_400_000_000


def checkpoint(total: int = FP8_BYTES) -> Checkpoint:
    return Checkpoint(Path(), "mistral", ("a",), total, ARCHITECTURE)


def tokens(
    gpu: Gpu, count: int, utilization: float, *, kv: str = "auto", total: int = FP8_BYTES
) -> int:
    fit = kv_fit(
        checkpoint(total),
        [gpu] * count,
        tensor_parallel=count,
        utilization=utilization,
        kv_dtype=kv,
    )
    return fit.tokens


@pytest.mark.parametrize(
    ("gpu", "count", "utilization", "kv", "thousands"),
    [
        (H100, 2, 0.90, "auto", 32.6),
        (H100, 4, 0.90, "auto", 436),
        (H100, 4, 0.90, "fp8", 872),
        (H100, 8, 0.90, "auto", 1240),
        (H200, 2, 0.92, "auto", 375),
        (H200, 2, 0.92, "fp8", 750),
    ],
)
def test_the_kv_pool_is_what_the_arithmetic_says(
    gpu: Gpu, count: int, utilization: float, kv: str, thousands: float
) -> None:
    found = tokens(gpu, count, utilization, kv=kv)
    assert found / 1000 == pytest.approx(thousands, rel=0.01)


def test_bf16_on_two_h200_refuses_the_guides_own_context() -> None:
    fit = kv_fit(
        checkpoint(BF16_BYTES), [H200] * 2, tensor_parallel=2, utilization=0.92, kv_dtype="auto"
    )
    with pytest.raises(LoadError) as refused:
        check_vllm(fit, 131072)
    text = str(refused.value)
    assert (
        "To serve at least one request with the model's max seq len (131072), (22.0 GiB KV" in text
    )
    assert "larger than the available KV cache memory (6.2" in text, "per GPU, of two"


def test_weights_larger_than_the_gpu_run_out_of_memory() -> None:
    with pytest.raises(LoadError, match=r"CUDA out of memory.*total capacity of 79\.65 GiB"):
        tokens(H100, 2, 0.9, total=BF16_BYTES)


def test_no_room_for_any_block_is_said_so() -> None:
    fit = kv_fit(checkpoint(), [H200], tensor_parallel=1, utilization=0.90, kv_dtype="auto")
    with pytest.raises(LoadError, match="No available memory for the cache blocks"):
        check_vllm(fit, 1024)


@given(st.sampled_from([1, 2, 4, 8]), st.floats(0.5, 1.0))
def test_more_utilization_never_means_fewer_tokens(count: int, utilization: float) -> None:
    try:
        less = tokens(H200, count, utilization)
    except LoadError:
        return
    assert less <= tokens(H200, count, 1.0)


@pytest.mark.parametrize(
    ("words", "gpus", "text"),
    [
        (("--max-model-len", "300000"), 4, r"max_model_len \(300000\) is greater than the derived"),
        (("--gpu-memory-utilization", "1.5"), 4, "less than or equal to 1"),
        (("--gpu-memory-utilization", "0"), 4, "greater than 0"),
        (("--tensor-parallel-size", "5"), 8, r"attention heads \(96\) must be divisible by"),
        (
            ("--tensor-parallel-size", "8"),
            4,
            r"World size \(8\) is larger than the number of avail",
        ),
        (("--max-num-batched-tokens", "8", "--max-num-seqs", "9"), 4, "must be greater than or"),
    ],
)
def test_the_engine_config_refuses(words: tuple[str, ...], gpus: int, text: str) -> None:
    parsed = vllm_arguments.parse(["serve", "m", *words], load("vllm-0.33.0"))
    with pytest.raises(LoadError, match=text):
        vllm_arguments.check_config(parsed, ARCHITECTURE, gpus)


@pytest.mark.parametrize("size", ["3", "6"])
def test_three_and_six_pass_the_config_and_fail_in_the_model(size: str) -> None:
    parsed = vllm_arguments.parse(["serve", "m", "-tp", size], load("vllm-0.33.0"))
    vllm_arguments.check_config(parsed, ARCHITECTURE, 8)
    with pytest.raises(LoadError, match="AssertionError"):
        vllm_arguments.check_model(parsed, ARCHITECTURE)


def test_wrong_parser_names_are_found_at_start() -> None:
    release = load("vllm-0.33.0")
    words = ["serve", "m", "--enable-auto-tool-choice", "--tool-call-parser", "mistrall"]
    parsed = vllm_arguments.parse(words, release)
    with pytest.raises(LoadError, match=r"invalid tool call parser: mistrall \(chose from"):
        vllm_arguments.check_frontend(parsed, release)
