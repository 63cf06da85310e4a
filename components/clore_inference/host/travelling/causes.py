"""What engines say when they die, as data: the cause's name, the text, and where it is public.

The first row that matches wins: what is specific stands above what is said in its wake (an engine
that cannot allocate its KV cache ends with a traceback as well). Records of whole deaths, real ones
and recorded ones, are in `tests/contract/deaths`; each must be named by this table.
"""

from __future__ import annotations

from typing import NamedTuple

VLLM = "https://github.com/vllm-project/vllm"
SGLANG = "https://github.com/sgl-project/sglang"
LLAMACPP = "https://github.com/ggml-org/llama.cpp"
PYTORCH = "https://github.com/pytorch/pytorch"
HUB = "https://github.com/huggingface/huggingface_hub"
PYTHON = "https://docs.python.org/3/library/errno.html"


class Cause(NamedTuple):
    """One text, as a regular expression, and what it means."""

    kind: str
    pattern: str
    source: str


CAUSES: tuple[Cause, ...] = (
    Cause("disk_full", r"No space left on device", PYTHON),
    Cause("disk_full", r"Disk quota exceeded", PYTHON),
    Cause("port_taken", r"[Aa]ddress already in use", PYTHON),
    Cause("port_taken", r"error while attempting to bind on address", PYTHON),
    Cause("port_taken", r"couldn't bind HTTP server socket", f"{LLAMACPP}/tree/master/tools/server"),
    # argparse, and what each engine says of flags that its parser lets through
    Cause("unknown_flag", r"error: unrecognized arguments", VLLM),
    Cause("unknown_flag", r"error: argument \S+.*: (?:invalid|expected)", VLLM),
    Cause("unknown_flag", r"error: argument \S+.*: Value .* cannot be converted", VLLM),
    Cause("unknown_flag", r"error: the following arguments are required", VLLM),
    Cause("unknown_flag", r"invalid (?:tool call|reasoning) parser", VLLM),
    Cause("unknown_flag", r"requires --tool-call-parser", VLLM),
    Cause("unknown_flag", r"Reasoning parser '.*' not found", VLLM),
    Cause("unknown_flag", r"max_num_batched_tokens \(\d+\) must be greater", VLLM),
    Cause("unknown_flag", r"(?:GPU memory utilization|gpu_memory_utilization)\D.* (?:less|between|<)", VLLM),
    Cause("unknown_flag", r"must be divisible by tensor parallel size", VLLM),
    Cause("unknown_flag", r"No such option: ", SGLANG),
    Cause("unknown_flag", r"is not a valid (?:choice|value) for", SGLANG),
    Cause("unknown_flag", r"error: invalid argument: ", f"{LLAMACPP}/blob/master/common/arg.cpp"),
    Cause("unknown_flag", r"error: invalid value for argument", f"{LLAMACPP}/blob/master/common/arg.cpp"),
    Cause("unknown_flag", r"error while handling argument ", f"{LLAMACPP}/blob/master/common/arg.cpp"),
    Cause("unknown_flag", r"quantized V cache requires flash_attn", f"{LLAMACPP}/blob/master/src/llama-context.cpp"),
    Cause("context_too_long", r"User-specified (?:max_model_len|context_length) \(\d+\) is greater than the derived", VLLM),
    Cause("kv_cache_too_large", r"KV cache is needed, which is larger than the available KV cache memory", f"{VLLM}/issues/34076"),
    Cause("kv_cache_too_large", r"is larger than the maximum number of tokens that can be stored in KV cache", f"{VLLM}/issues/2418"),
    Cause("kv_cache_too_large", r"No available memory for the cache blocks", VLLM),
    Cause("kv_cache_too_large", r"on kv cache allocation is less than requested memory for kv", VLLM),
    Cause("kv_cache_too_large", r"Not enough memory\. Please try to increase --mem-fraction-static", f"{SGLANG}/issues/4330"),
    Cause("kv_cache_too_large", r"failed to (?:allocate|initialize) (?:the )?(?:kv|KV) cache", f"{LLAMACPP}/blob/master/src/llama-kv-cache.cpp"),
    Cause("kv_cache_too_large", r"failed to allocate buffer for kv cache", f"{LLAMACPP}/blob/master/src/llama-kv-cache.cpp"),
    Cause("kv_cache_too_large", r"failed to initialize the context: ", f"{LLAMACPP}/blob/master/src/llama-context.cpp"),
    Cause("no_kernel_image", r"no kernel image is available for execution", f"{VLLM}/issues/14452"),
    Cause("no_kernel_image", r"unsupported toolchain", f"{PYTORCH}/blob/main/c10/cuda/CUDAException.cpp"),
    Cause("driver", r"CUDA driver version is insufficient", f"{PYTORCH}/blob/main/c10/cuda/CUDAFunctions.cpp"),
    Cause("driver", r"NVIDIA driver on your system is too old", f"{VLLM}/pull/33992"),
    Cause("driver", r"forward compatibility was attempted on non supported HW", "https://github.com/gpustack/gpustack/issues/1540"),
    Cause("driver", r"Error 802: system not yet initialized", "https://github.com/gpustack/gpustack/issues/1254"),
    Cause("driver", r"Found no NVIDIA driver on your system", f"{PYTORCH}/blob/main/torch/cuda/__init__.py"),
    Cause("driver", r"No CUDA GPUs are available", f"{PYTORCH}/blob/main/c10/cuda/CUDAFunctions.cpp"),
    Cause("driver", r"Failed to infer device type", VLLM),
    Cause("gpu_lost", r"GPU has fallen off the bus|Unable to determine the device handle", "https://docs.nvidia.com/deploy/xid-errors/"),
    Cause("gpu_lost", r"uncorrectable (?:ECC|NVLink) error", "https://docs.nvidia.com/deploy/xid-errors/"),
    Cause("gated", r"GatedRepoError", HUB),
    Cause("gated", r"Cannot access gated repo", HUB),
    Cause("gated", r"Access to model .* is restricted", HUB),
    Cause("gated", r"40[13] Client Error", HUB),
    Cause("weights_broken", r"model is corrupted or incomplete", f"{LLAMACPP}/blob/master/src/llama-model-loader.cpp"),
    Cause("weights_broken", r"gguf_init_from_\w+: invalid magic", f"{LLAMACPP}/blob/master/ggml/src/gguf.cpp"),
    Cause("weights_broken", r"SafetensorError|Error while deserializing header|InvalidHeaderDeserialization", "https://github.com/huggingface/safetensors"),
    Cause("wrong_model", r"unknown model architecture", f"{LLAMACPP}/blob/master/src/llama-model.cpp"),
    Cause("wrong_model", r"Model architectures \[.*\] are not supported", VLLM),
    Cause("wrong_model", r"assert (?:param|loaded_weight)\S* ?(?:\.size\(\)|\.shape) ?==", VLLM),
    Cause("wrong_model", r"Attempted to load weight \(.*\) into parameter", VLLM),
    Cause("wrong_model", r"Following weights were not initialized from checkpoint", VLLM),
    Cause("wrong_model", r"RuntimeError: shape '\[[\d, ]+\]' is invalid for input of size", VLLM),
    Cause("weights_missing", r"LocalEntryNotFoundError", HUB),
    Cause("weights_missing", r"IncompleteSnapshotError", HUB),
    Cause("weights_missing", r"OfflineModeIsEnabled", HUB),
    Cause("weights_missing", r"outgoing traffic has been disabled", HUB),
    Cause("weights_missing", r"Cannot find any model weights", VLLM),
    Cause("weights_missing", r"No tokenizer file found", VLLM),
    Cause("weights_missing", r"Failed to load mistral 'params\.json' config", VLLM),
    Cause("weights_missing", r"does not appear to have a file named", "https://github.com/huggingface/transformers"),
    Cause("weights_missing", r"(?:No such file or directory|FileNotFoundError).*(?:params\.json|tekken\.json|config\.json|\.safetensors)", VLLM),
    Cause("weights_missing", r"failed to open GGUF file", f"{LLAMACPP}/blob/master/ggml/src/gguf.cpp"),
    Cause("weights_missing", r"gguf_init_from_file: failed to open", f"{LLAMACPP}/blob/master/ggml/src/gguf.cpp"),
    Cause("weights_missing", r"Invalid repository ID or local directory", VLLM),
    Cause("shared_memory", r"insufficient shared memory", f"{PYTORCH}/blob/main/aten/src/ATen/MapAllocator.cpp"),
    Cause("shared_memory", r"Bus error", PYTORCH),
    Cause("shared_memory", r"shm_open.*No space", PYTORCH),
    Cause("shared_memory", r"Error while creating shared memory", "https://github.com/NVIDIA/nccl/issues"),
    Cause("out_of_memory", r"CUDA out of memory", f"{SGLANG}/issues/4330"),
    Cause("out_of_memory", r"OutOfMemoryError", PYTORCH),
    Cause("out_of_memory", r"cudaMalloc failed: out of memory", f"{LLAMACPP}/blob/master/ggml/src/ggml-cuda/ggml-cuda.cu"),
    Cause("out_of_memory", r"CUDA error: out of memory", PYTORCH),
    Cause("out_of_memory", r"on startup is less than desired GPU memory utilization", VLLM),
    Cause("out_of_memory", r"unable to allocate CUDA\d* buffer", f"{LLAMACPP}/blob/master/src/llama-model.cpp"),
    Cause("out_of_memory", r"std::bad_alloc|DefaultCPUAllocator: can't allocate memory", PYTORCH),
    Cause("out_of_memory", r"Cannot allocate memory|Resource temporarily unavailable", PYTHON),
    Cause("out_of_memory", r"MemoryError", "https://docs.python.org/3/library/exceptions.html"),
    Cause("out_of_memory", r"Not enough (?:CPU )?memory|is larger than (?:the )?available (?:CPU )?memory", VLLM),
    Cause("guard", r"No module named 'clore_", "our own"),
    Cause("guard", r"clore_guard.*[Ee]rror", "our own"),
    Cause("guard", r"clore_llamacpp: .*The engine was not started", "our own"),
    Cause("broken_packages", r"missing 1 required positional argument: 'force_tool_names'", "https://github.com/mistralai/mistral-common"),
    Cause("broken_packages", r"ImportError: .*(?:undefined symbol|cannot open shared object file)", f"{VLLM}/issues/11623"),
    Cause("not_installed", r"ModuleNotFoundError: No module named '(?:vllm|sglang)", "our own"),
    Cause("not_installed", r"clore_llamacpp: there is no \S+ on this host", "our own"),
    Cause("unknown_flag", r"Input should be .*\[type=", "https://docs.pydantic.dev/latest/errors/validation_errors/"),
    Cause("unknown_flag", r"\d+ validation errors? for \w+Config", "https://docs.pydantic.dev/latest/errors/validation_errors/"),
)  # fmt: skip

FINAL = frozenset(
    {
        "broken_packages",
        "context_too_long",
        "disk_full",
        "driver",
        "gated",
        "guard",
        "kv_cache_too_large",
        "no_kernel_image",
        "not_installed",
        "shared_memory",
        "unknown_flag",
        "weights_broken",
        "weights_missing",
        "wrong_model",
    }
)
"""Causes that the same command on the same host meets again; starting it once more only costs."""
