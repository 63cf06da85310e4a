"""llama.cpp's server; refused clearly until this version has its proxy and its file choice."""

from __future__ import annotations

from typing import NoReturn

from clore_inference.engines.command import EngineCommand
from clore_inference.errors import NotBuiltYet
from clore_inference.spec import DeploymentSpec


def command(spec: DeploymentSpec) -> EngineCommand:
    """Raise NotBuiltYet: the line would start, but nothing guards it yet."""
    return _not_built(spec)


def _not_built(spec: DeploymentSpec) -> NoReturn:
    message = (
        f"Engine llamacpp for {spec.precision} on {spec.topology} is not built yet: nothing is "
        "bought. Set `engine: vllm` with `precision: fp8` on 4xH100 or 2xH200."
    )
    raise NotBuiltYet(message)
