"""The environment of what runs on a host: the image's own, ours, and nothing that opens a door."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

PATH_FLOOR = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/opt/venv/bin",
    "/opt/conda/bin",
    "/usr/local/cuda/bin",
    "/usr/local/nvidia/bin",
    "/app",
)
"""Where the images that we order keep their programs: a session over SSH has a minimal PATH."""

_FROM_IMAGE = (
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_VERSION",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
)
"""What images set for their engine and a session over SSH does not inherit."""

_NEVER = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "TRANSFORMERS_CACHE",
    "VLLM_API_KEY",
    "LLAMA_API_KEY",
    "VLLM_USE_RUST_FRONTEND",
    "SGLANG_RUST_SERVER",
)
"""Tokens, other places for the cache, and front ends that replace the application with its guard."""

_HUB_CLIENT = {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DOWNLOAD_TIMEOUT": "30",
}
"""Plain ranges over HTTP, which can be gone on from; only the token that we hand over."""

_KEY_VARIABLE = {"vllm": "VLLM_API_KEY", "llamacpp": "LLAMA_API_KEY"}


def base_environment(first_process: Optional[dict[str, str]] = None) -> dict[str, str]:  # noqa: UP045
    """This session's environment with the image's own settings under it and no secret in it."""
    image = _environment_of_image() if first_process is None else first_process
    found = {name: image[name] for name in _FROM_IMAGE if image.get(name)}
    found.update({name: value for name, value in os.environ.items() if name not in _NEVER})
    folders = [*os.environ.get("PATH", "").split(":"), *image.get("PATH", "").split(":")]
    unique = dict.fromkeys(folder for folder in (*folders, *PATH_FLOOR) if folder.startswith("/"))
    found["PATH"] = ":".join(unique)
    found["HF_HOME"] = str(Path.home() / ".cache" / "huggingface")
    return found


def _environment_of_image() -> dict[str, str]:
    """The environment of the container's first process; empty where it cannot be read."""
    try:
        raw = Path("/proc/1/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in raw.decode("utf-8", errors="replace").split("\0"))
    return {name: value for name, _, value in pairs if name}


def engine_environment(
    job: dict[str, Any],
    *,
    guard_file: Path,
    engine_key: str,
    place: Optional[Path] = None,  # noqa: UP045 - Python 3.9
) -> dict[str, str]:
    """What an engine is started with: offline, guarded, with its private key.

    `place` is the virtual environment of an engine that was installed beside the image's own.
    """
    found = base_environment()
    if place is not None:
        found["PATH"] = f"{place / 'bin'}:{found['PATH']}"
        found["VIRTUAL_ENV"] = str(place)
        found.pop("PYTHONPATH", None)
        if job["guard"].get("engine") != "llamacpp":  # which is built with the image's own CUDA
            found["LD_LIBRARY_PATH"] = _without_cuda(found.get("LD_LIBRARY_PATH", ""))
    found.update({str(name): str(value) for name, value in job["environment"].items()})
    serving = str(Path.home() / ".clore-inference" / "serving")
    found["PYTHONPATH"] = ":".join(filter(None, (serving, found.get("PYTHONPATH", ""))))
    found["HF_HUB_OFFLINE"] = "1"
    found["CLORE_INFERENCE_GUARD"] = str(guard_file)
    variable = _KEY_VARIABLE.get(str(job["guard"].get("engine", "")))
    if variable:
        found[variable] = engine_key
    return found


def _without_cuda(path: str) -> str:
    """The driver's libraries stay; the image's CUDA would come before the one that wheels bring."""
    return ":".join(one for one in path.split(":") if one and "/cuda" not in one)


def fetch_environment(endpoint: str) -> dict[str, str]:
    """What the fetch is started with; its token comes on standard input."""
    found = base_environment()
    found.pop("HF_HUB_OFFLINE", None)
    return {**found, **_HUB_CLIENT, "HF_ENDPOINT": endpoint}
