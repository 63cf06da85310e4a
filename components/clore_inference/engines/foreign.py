"""Engine lines that somebody else wrote: recognised, so that rules can judge them too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from clore_inference import catalog
from clore_inference.engines.command import EngineCommand, EngineName

IMAGES: dict[str, EngineName] = {
    "vllm/vllm-openai": "vllm",
    "lmsysorg/sglang": "sglang",
    "ggml-org/llama.cpp": "llamacpp",
}
ENTRYPOINTS: dict[str, tuple[str, ...]] = {"vllm/vllm-openai": ("vllm", "serve")}
"""Of images that start their engine themselves: the words behind them begin with the model."""
RUNNERS = ("docker", "podman", "nerdctl")
STARTS: dict[tuple[str, ...], EngineName] = {
    ("vllm", "serve"): "vllm",
    ("-m", "vllm.entrypoints.openai.api_server"): "vllm",
    ("-m", "sglang.launch_server"): "sglang",
    ("-m", "clore_sglang"): "sglang",
    ("-m", "clore_llamacpp", "llama-server"): "llamacpp",
    ("llama-server",): "llamacpp",
    ("/app/llama-server",): "llamacpp",
}


def recognise(
    argv: Sequence[str], *, image: str = "", environment: Mapping[str, str] | None = None
) -> EngineCommand | None:
    """Return the engine line in a container's or a command's words; None if it starts no engine.

    A command that runs a container (`docker run … IMAGE …`) is read as the container that it runs.
    """
    words, variables = tuple(argv), dict(environment or {})
    if not image and (run := contained(words)):
        image, words = run.image, run.words
        variables |= run.environment
    engine = _by_start(words) or _by_image(image)
    if engine is None:
        return None
    return EngineCommand(
        engine=engine,
        version=_version(image, engine),
        argv=words,
        suffix_from=len(words),
        environment=variables,
        image=image,
        port=0,
    )


class ContainerRun(NamedTuple):
    """What `docker run`, or podman's or nerdctl's, starts."""

    image: str
    words: tuple[str, ...]
    """As the image starts them: with its entry point."""
    environment: dict[str, str]
    mounts: tuple[str, ...]
    """Paths in it that outlive it."""


def contained(words: Sequence[str]) -> ContainerRun | None:
    """Return the engine's container that a command runs; None if it runs none."""
    for at, word in enumerate(words):
        before = words[:at]
        if _by_image(word) and "run" in before and any(_is_runner(one) for one in before):
            own = ENTRYPOINTS.get(_name(word), ()) if "--entrypoint" not in before else ()
            return ContainerRun(word, (*own, *words[at + 1 :]), _variables(before), _mounts(before))
    return None


def _is_runner(word: str) -> bool:
    return word.rpartition("/")[2] in RUNNERS


def _name(image: str) -> str:
    return next((name for name in IMAGES if name in image), "")


def _variables(words: Sequence[str]) -> dict[str, str]:
    given = [after for word, after in pairwise(words) if word in ("-e", "--env")]
    given += [word.partition("=")[2] for word in words if word.startswith("--env=")]
    return {name: value for name, equals, value in (one.partition("=") for one in given) if equals}


def _mounts(words: Sequence[str]) -> tuple[str, ...]:
    """`-v NAME:PATH[:ro]`, and `--mount type=volume,source=NAME,target=PATH`."""
    given = [after for word, after in pairwise(words) if word in ("-v", "--volume", "--mount")]
    given += [
        word.partition("=")[2] for word in words if word.startswith(("--volume=", "--mount="))
    ]
    return tuple(_path(text) for text in given)


def _path(text: str) -> str:
    named = dict(part.partition("=")[::2] for part in text.split(","))
    target = next((named[key] for key in ("target", "destination", "dst") if key in named), "")
    return target or next((part for part in text.split(":")[1:] if part.startswith("/")), "")


def before_flags(words: Sequence[str]) -> tuple[str, ...]:
    """The words up to and with those that start an engine; none, if the image's own start does."""
    for start in STARTS:
        size = len(start)
        for at in range(len(words) - size + 1):
            if tuple(words[at : at + size]) == start:
                return tuple(words[: at + size])
    return ()


def _by_start(words: tuple[str, ...]) -> EngineName | None:
    found = before_flags(words)
    return next((name for start, name in STARTS.items() if found[-len(start) :] == start), None)


def _by_image(image: str) -> EngineName | None:
    return next((engine for name, engine in IMAGES.items() if name in image), None)


def _version(image: str, engine: EngineName) -> str:
    """The release that the image's tag names; empty for `latest` and for images of others."""
    tag = image.partition("@")[0].rpartition(":")[2] if ":" in image else ""
    release = tag.removeprefix(catalog.engine(engine).tag_prefix).removeprefix("v")
    pattern = r"b\d+" if engine == "llamacpp" else r"\d.*"
    return release if re.fullmatch(pattern, release) else ""
