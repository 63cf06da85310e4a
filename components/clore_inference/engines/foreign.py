"""Engine lines that somebody else wrote: recognised, so that rules can judge them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clore_inference.engines.command import EngineCommand, EngineName

IMAGES: dict[str, EngineName] = {
    "vllm/vllm-openai": "vllm",
    "lmsysorg/sglang": "sglang",
    "ggml-org/llama.cpp": "llamacpp",
}
STARTS: dict[tuple[str, ...], EngineName] = {
    ("vllm", "serve"): "vllm",
    ("-m", "vllm.entrypoints.openai.api_server"): "vllm",
    ("-m", "sglang.launch_server"): "sglang",
    ("-m", "clore_sglang"): "sglang",
    ("llama-server",): "llamacpp",
    ("/app/llama-server",): "llamacpp",
}


def recognise(
    argv: Sequence[str], *, image: str = "", environment: Mapping[str, str] | None = None
) -> EngineCommand | None:
    """Return the engine line in a container's or a command's words; None if it starts no engine."""
    words = tuple(argv)
    engine = _by_start(words) or _by_image(image)
    if engine is None:
        return None
    return EngineCommand(
        engine=engine,
        version=_version(image),
        argv=words,
        suffix_from=len(words),
        environment=dict(environment or {}),
        image=image,
        port=0,
    )


def _by_start(words: tuple[str, ...]) -> EngineName | None:
    for start, engine in STARTS.items():
        size = len(start)
        if any(words[at : at + size] == start for at in range(len(words) - size + 1)):
            return engine
    return None


def _by_image(image: str) -> EngineName | None:
    return next((engine for name, engine in IMAGES.items() if name in image), None)


def _version(image: str) -> str:
    tag = image.partition("@")[0].rpartition(":")[2] if ":" in image else ""
    digits = tag.removeprefix("v")
    return digits if digits[:1].isdigit() else ""
