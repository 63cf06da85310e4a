"""SGLang: the guide's launch line and what we add behind it.

Source of the flags: https://docs.sglang.ai/advanced_features/server_arguments.html and the guide.
On the host our launcher takes the place of the module `sglang.launch_server`: there is no flag that
would put a guard around the application.
"""

from __future__ import annotations

from clore_inference.engines.command import Addition, EngineCommand, assemble, share
from clore_inference.errors import ConfigError
from clore_inference.spec import API_PORT, DeploymentSpec

MODULE = "sglang.launch_server"
LAUNCHER = "clore_sglang"
"""Module on the host's PYTHONPATH that wraps the application's middleware stack in the guard."""


def command(spec: DeploymentSpec) -> EngineCommand:
    """Return the line that serves `spec`; raises ConfigError for a KV cache type SGLang lacks."""
    return assemble(
        engine="sglang",
        version=spec.version,
        image=spec.image_name,
        port=API_PORT,
        guide=_guide(spec),
        additions=_additions(spec),
        environment=_environment(),
    )


def _guide(spec: DeploymentSpec) -> tuple[str, ...]:
    return (
        "python3", "-m", MODULE,
        "--model-path", spec.repository_name,
        "--tp-size", str(spec.shape.count),
        "--tool-call-parser", "mistral",
        "--reasoning-parser", "mistral",
        "--mem-fraction-static", share(spec.utilization),
        "--context-length", str(spec.max_model_len),
        "--served-model-name", spec.served_model_name,
        "--host", "0.0.0.0",
        "--port", str(API_PORT),
    )  # fmt: skip


def _additions(spec: DeploymentSpec) -> tuple[Addition, ...]:
    dtype = spec.kv_dtype
    if dtype is None:
        raise ConfigError([f"SGLang has no KV cache type {spec.kv_cache_dtype}; use auto or fp8."])
    found = [
        Addition(
            flags=("--skip-server-warmup",),
            reason="its warm-up calls its own API without a key and ends the server when refused",
        )
    ]
    if spec.revision:
        found.append(
            Addition(
                flags=("--revision", spec.revision),
                reason="weights of the pinned commit, whatever is pushed later",
            )
        )
    if dtype != "auto":
        found.append(
            Addition(
                flags=("--kv-cache-dtype", dtype),
                reason=f"kvCacheDtype is {spec.kv_cache_dtype}, which SGLang spells {dtype}",
            )
        )
    if spec.max_num_seqs:
        found.append(
            Addition(
                flags=("--max-running-requests", str(spec.max_num_seqs)),
                reason="maxNumSeqs, as SGLang spells it",
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
    return tuple(found)


def _environment() -> dict[str, str]:
    return {"HF_HUB_OFFLINE": "1"}


def on_host(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the line with our launcher in the place of SGLang's module; the flags are unchanged."""
    return tuple(LAUNCHER if word == MODULE else word for word in argv)
