"""The fix with numbers, out of the engine's own words."""

from __future__ import annotations

import pytest

from clore_inference.host.advice import in_numbers
from clore_inference.host.failure import job_error
from clore_inference.host.job import Installation, ServeJob
from clore_inference.host.verdict import Failure, judge

KV = (
    "ValueError: To serve at least one request with the model's max seq len (131072), (22.00 GiB KV "
    "cache is needed, which is larger than the available KV cache memory (12.10 GiB)."
)
JOB = ServeJob(
    argv=("vllm", "serve"),
    served_model="m",
    install=Installation(engine="vllm", version="0.32.0"),
)


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        (KV, "22 GiB needed, 12.1 available for 131072 tokens: maxModelLen at most 71936 fits"),
        (
            f"{KV} Based on the available memory, the estimated maximum model length is 70001. Try",
            "22 GiB needed, 12.1 available for 131072 tokens: maxModelLen at most 69888 fits",
        ),
        (
            KV.replace("12.10", "0.01"),
            "22 GiB needed, 0.01 available for 131072 tokens: no context fits beside these weights",
        ),
        (
            (
                "The model's max seq len (4096) is larger than the maximum number of tokens that can be "
                "stored in KV cache (3664)."
            ),
            "4096 tokens asked for, room for 3664: maxModelLen at most 3584 fits",
        ),
        (
            (
                "User-specified max_model_len (524288) is greater than the derived max_model_len "
                "(max_position_embeddings=262144"
            ),
            "the model was made for 262144 tokens: maxModelLen at most 262144",
        ),
        (
            (
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 672.00 MiB. GPU 0 has a "
                "total capacity of 79.19 GiB of which 214.88 MiB is free."
            ),
            "672.00 MiB more were needed, 214.88 MiB of 79.19 GiB were free",
        ),
        (
            (
                "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 69800.00 MiB on device 0: "
                "cudaMalloc failed: out of memory"
            ),
            "68.2 GiB were needed at once on GPU 0",
        ),
        (
            (
                "ValueError: Free memory on device (60.1/79.2 GiB) on startup is less than desired GPU "
                "memory utilization (0.9, 71.3 GiB)."
            ),
            (
                "60.1 of 79.2 GiB were free and 0.9 of it all was asked for: gpuMemoryUtilization at "
                "most 0.75 fits, or another process holds the GPU"
            ),
        ),
        (
            (
                "Not enough memory. Please try to increase --mem-fraction-static. Current value: "
                "mem_fraction_static=0.5"
            ),
            "a share of 0.5 was given: gpuMemoryUtilization must be above it",
        ),
        (
            "The NVIDIA driver on your system is too old (found version 12090).",
            "the driver speaks CUDA 12.9 at most",
        ),
        ("RuntimeError: unlucky", ""),
    ],
)
def test_an_engines_words_become_a_value_that_fits(said: str, numbers: str) -> None:
    assert in_numbers(said) == numbers


def test_the_message_names_the_release_the_cost_and_the_value_that_fits() -> None:
    error = job_error(
        JOB,
        Failure("kv_cache_too_large", KV, ()),
        place="h:1",
        cost_note="order 7 goes on at 1.47 USD/h",
    )
    assert str(error).startswith("the engine vllm 0.32.0 on h:1 ended: kv_cache_too_large: ")
    assert "order 7 goes on at 1.47 USD/h" in str(error)
    assert "maxModelLen at most 71936 fits)" in str(error)


def test_a_start_that_never_took_over_says_that_what_ran_before_goes_on() -> None:
    status = {
        "state": "failed",
        "job": "j",
        "kept": True,
        "failure": {"kind": "install_network", "text": "torch did not arrive"},
        "now": 10,
        "updated_at": 9,
    }
    failure = judge(status, kind="engine", job="j")
    assert isinstance(failure, Failure)
    text = str(job_error(JOB, failure, place="h:1", cost_note=""))
    assert "vllm 0.32.0 was not started on h:1; an engine that ran before goes on" in text
    assert "packageIndex" in text
