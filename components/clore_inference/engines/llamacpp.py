"""llama.cpp's server: one quantized file on one GPU, the guide's smallest choice.

The guide gives no command line for it; the first part is the least that serves the file as asked,
the suffix says why each further flag stands there. Source of the flags: common/arg.cpp of
https://github.com/ggml-org/llama.cpp.
"""

from __future__ import annotations

from clore_inference.engines.command import SNAPSHOT, Addition, EngineCommand, assemble
from clore_inference.errors import ConfigError
from clore_inference.spec import API_PORT, DeploymentSpec

ENGINE_PORT = 8080
"""Where the server listens, on loopback; the guarding proxy in front of it has the API's port."""
PROXY = "clore_llamacpp"
LISTEN = "CLORE_INFERENCE_LISTEN"
"""Where the proxy listens; read by `serving/llamacpp/launcher.py`."""
UNQUANTIZED = ("f16", "bf16")


def command(spec: DeploymentSpec) -> EngineCommand:
    """Return the line that serves `spec`; raises ConfigError where it has no file or cache type."""
    return assemble(
        engine="llamacpp",
        version=spec.version,
        image=spec.image_name,
        port=API_PORT,
        guide=_plain(spec),
        additions=_additions(spec),
        environment={LISTEN: f"{_address(spec)}:{API_PORT}"},
    )


def on_host(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the line behind our guarding proxy, which starts it; the line itself is unchanged."""
    return ("python3", "-m", PROXY, *argv)


def _address(spec: DeploymentSpec) -> str:
    """On a Docker host the container is the boundary, and what is published decides."""
    return "127.0.0.1" if spec.on_loopback else "0.0.0.0"


def _plain(spec: DeploymentSpec) -> tuple[str, ...]:
    checkpoint = spec.checkpoint
    if checkpoint is None or not checkpoint.files:
        message = f"llama.cpp loads GGUF files, and {spec.precision} has none."
        raise ConfigError([f"{message} Set `precision: q4_k_m`, or engine vllm or sglang."])
    return (
        "llama-server",
        "-m", f"{SNAPSHOT}/{checkpoint.files[0]}",
        "--alias", spec.served_model_name,
        "-c", str(spec.max_model_len),
        "-ngl", "all",
        "--host", "127.0.0.1",
        "--port", str(ENGINE_PORT),
    )  # fmt: skip


def _additions(spec: DeploymentSpec) -> tuple[Addition, ...]:
    dtype = spec.kv_dtype
    if dtype is None:
        raise ConfigError(
            [f"llama.cpp has no KV cache type {spec.kv_cache_dtype}; use auto, q8_0 or q4_0."]
        )
    found = [
        Addition(
            flags=("--fit", "off"),
            reason="keep the context that is asked for: it would be shortened where memory is tight",
        ),
        Addition(flags=("--jinja",), reason="the model's own template: tools and reasoning_effort"),
        _slots(spec.max_num_seqs or 1),
        Addition(flags=("--metrics",), reason="counters for the operator's key, off by default"),
    ]
    if dtype != "f16":
        found.append(
            Addition(
                flags=("-ctk", dtype, "-ctv", dtype, *_attention(dtype)),
                reason=f"kvCacheDtype is {spec.kv_cache_dtype}, for keys and values alike",
            )
        )
    return tuple(found)


def _attention(dtype: str) -> tuple[str, ...]:
    """A quantized cache of values works with flash attention only."""
    return () if dtype in UNQUANTIZED else ("-fa", "on")


def _slots(count: int) -> Addition:
    if count == 1:
        return Addition(flags=("-np", "1"), reason="one request at a time has the whole context")
    return Addition(
        flags=("-np", str(count), "--kv-unified"),
        reason="maxNumSeqs; without one shared cache each request had a part of the context only",
    )
