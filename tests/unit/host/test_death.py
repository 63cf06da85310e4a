from __future__ import annotations

import pytest

from clore_inference.host.travelling.death import classify, presentable

# Texts of the public sources and issue trackers of vLLM, SGLang, llama.cpp and PyTorch; those about
# GPUs and drivers are recorded, not provoked.
DEATHS = {
    "unknown_flag": [
        "vllm serve: error: unrecognized arguments: --swap-space 4",
        (
            "api_server.py: error: argument --reasoning-parser: invalid choice: 'mistral' (choose from "
            "'deepseek_r1', 'granite')"
        ),
        "launch_server.py: error: argument --kv-cache-dtype: invalid choice: 'fp8'",
        "error: invalid argument: --max-model-len",
        "KeyError: 'invalid tool call parser: mistrel (chose from { mistral })'",
        "TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser",
    ],
    "kv_cache_too_large": [
        (
            "ValueError: To serve at least one request with the model's max seq len (131072), (22.00 GiB "
            "KV cache is needed, which is larger than the available KV cache memory (12.10 GiB)."
        ),
        (
            "ValueError: No available memory for the cache blocks. Try increasing "
            "`gpu_memory_utilization` when initializing the engine."
        ),
        "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.",
        (
            "llama_init_from_model: failed to initialize the context: failed to allocate buffer for kv "
            "cache"
        ),
    ],
    "context_too_long": [
        (
            "ValueError: User-specified max_model_len (524288) is greater than the derived "
            "max_model_len (max_position_embeddings=262144)"
        ),
    ],
    "out_of_memory": [
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
            "capacity of 79.19 GiB of which 1.06 GiB is free."
        ),
        (
            "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 69800.00 MiB on device 0: cudaMalloc "
            "failed: out of memory"
        ),
        (
            "ValueError: Free memory on device (60.1/79.2 GiB) on startup is less than desired GPU "
            "memory utilization (0.9, 71.3 GiB)."
        ),
    ],
    "driver": [
        "RuntimeError: The NVIDIA driver on your system is too old (found version 12040).",
        "CUDA driver version is insufficient for CUDA runtime version",
    ],
    "no_kernel_image": [
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
    ],
    "weights_missing": [
        (
            "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot "
            "folder for the specified revision on the local disk and outgoing traffic has been disabled."
        ),
        "gguf_init_from_file: failed to open GGUF file '/root/x.gguf'",
    ],
    "gated": [
        "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-6)",
    ],
    "disk_full": ["OSError: [Errno 28] No space left on device"],
    "port_taken": ["OSError: [Errno 98] Address already in use"],
    "shared_memory": [
        "RuntimeError: unable to write to file </torch_1>: insufficient shared memory (shm)",
    ],
}


@pytest.mark.parametrize(
    ("kind", "line"), [(kind, line) for kind, lines in DEATHS.items() for line in lines]
)
def test_an_engine_s_own_words_name_its_death(kind: str, line: str) -> None:
    log = ["INFO 11-20 10:00:00 [core.py:58] starting", line, "  File x.py, line 1, in main"]
    assert classify(log, 1, was_ready=False).kind == kind
    assert classify(log, 1, was_ready=False).line == line


def test_what_the_same_command_meets_again_is_not_started_again() -> None:
    for kind in ("unknown_flag", "kv_cache_too_large", "driver", "weights_missing", "disk_full"):
        assert not classify([DEATHS[kind][0]], 1, was_ready=False).worth_restarting


def test_running_out_of_memory_at_work_is_another_thing_than_at_load() -> None:
    at_load = classify(DEATHS["out_of_memory"], 1, was_ready=False)
    at_work = classify(DEATHS["out_of_memory"], 1, was_ready=True)
    assert (at_load.kind, at_load.worth_restarting) == ("out_of_memory", False)
    assert (at_work.kind, at_work.worth_restarting) == ("out_of_memory_at_work", True)


def test_the_specific_cause_wins_over_what_is_said_in_its_wake() -> None:
    log = [DEATHS["out_of_memory"][0], "ERROR bind failed", DEATHS["kv_cache_too_large"][0]]
    assert classify(log, 1, was_ready=False).kind == "kv_cache_too_large"


def test_a_silent_death_is_told_by_its_signal_or_its_last_line() -> None:
    assert classify([], -9, was_ready=True).kind == "killed"
    assert classify([], -7, was_ready=True).kind == "shared_memory"
    crashed = classify(["Segmentation fault", ""], -11, was_ready=True)
    assert crashed == ("crashed", "exit code -11: Segmentation fault", True)
    assert classify([], 3, was_ready=False).line == "exit code 3: it printed nothing"


def test_no_secret_and_no_control_character_is_presented() -> None:
    key = "f" * 64
    shown = presentable(
        f"\x1b[31mapi_key='{key[:20]}' Authorization: Bearer abcdefghijkl hf_CanaryCanary {key}\x07",
        (key,),
    )
    for hidden in (key, key[:20], "abcdefghijkl", "Canary", "\x1b", "\x07"):
        assert hidden not in shown


def test_a_line_of_a_megabyte_is_cut() -> None:
    assert len(presentable("x" * 1_000_000)) == 400
