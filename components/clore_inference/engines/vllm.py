"""vLLM: the guide's `vllm serve` line and what we add behind it.

Source of the flags: https://docs.vllm.ai/en/latest/cli/serve/ and the guide's two commands.
"""

from __future__ import annotations

from clore_inference.engines.command import Addition, EngineCommand, assemble, share
from clore_inference.errors import ConfigError
from clore_inference.spec import API_PORT, DeploymentSpec

GUARD = "clore_guard.Guard"
"""Import path of the guard on the host, where it lies on PYTHONPATH."""
DRAIN_S = 25
"""Five less than the host's supervisor waits before it kills (`ServeJob.grace_s`)."""


def command(spec: DeploymentSpec) -> EngineCommand:
    """Return the line that serves `spec`; raises ConfigError for a KV cache type vLLM lacks."""
    return assemble(
        engine="vllm",
        version=spec.version,
        image=spec.image_name,
        port=API_PORT,
        guide=_guide(spec),
        additions=_additions(spec),
        environment=_environment(),
    )


def _guide(spec: DeploymentSpec) -> tuple[str, ...]:
    return (
        "vllm", "serve", spec.repository_name,
        "--tensor-parallel-size", str(spec.shape.count),
        "--max-model-len", str(spec.max_model_len),
        "--gpu-memory-utilization", share(spec.utilization),
        "--enable-chunked-prefill",
        "--enable-auto-tool-choice",
        "--tool-call-parser", "mistral",
        "--reasoning-parser", "mistral",
        "--tokenizer-mode", "mistral",
        "--config-format", "mistral",
        "--load-format", "mistral",
        "--served-model-name", spec.served_model_name,
        "--host", "0.0.0.0",
        "--port", str(API_PORT),
    )  # fmt: skip


def _additions(spec: DeploymentSpec) -> tuple[Addition, ...]:
    dtype = spec.kv_dtype
    if dtype is None:
        raise ConfigError([f"vLLM has no KV cache type {spec.kv_cache_dtype}; use auto or fp8."])
    found = [
        Addition(
            flags=("--middleware", GUARD),
            reason="the guard: keys, allow-list and reasoning_mode, in front of every route",
        )
    ]
    if spec.revision:
        found.append(
            Addition(
                flags=("--revision", spec.revision, "--tokenizer-revision", spec.revision),
                reason="weights and tokenizer of the pinned commit, whatever is pushed later",
            )
        )
    if dtype != "auto":
        found.append(
            Addition(
                flags=("--kv-cache-dtype", dtype),
                reason=_why_dtype(spec.kv_cache_dtype, dtype),
            )
        )
    if spec.max_num_seqs:
        found.append(
            Addition(
                flags=("--max-num-seqs", str(spec.max_num_seqs)),
                reason="maxNumSeqs bounds how many requests share the KV cache",
            )
        )
    if spec.on_loopback:
        found.append(
            Addition(
                flags=("--host", "127.0.0.1"),
                reason=(
                    "exposure is private: loopback of the host only; the last --host counts"
                    if spec.exposure == "private"
                    else "TLS ends on the host: loopback only, behind that door; the last --host counts"
                ),
            )
        )
    found.append(
        Addition(
            flags=("--shutdown-timeout", str(DRAIN_S)),
            reason="requests in flight are finished when the engine is stopped; its default is 0",
        )
    )
    return tuple(found)


def _why_dtype(word: str, spelled: str) -> str:
    if spelled.startswith("fp8"):
        return f"kvCacheDtype is {word}: room for more tokens"
    return f"kvCacheDtype is {word}, which vLLM spells {spelled}"


def _environment() -> dict[str, str]:
    return {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
