"""From a spec to what starts it: image, argv, environment, port, weights.

`command(spec)` gives the guide's line with our suffix; `weights(spec)` the files of one layout;
`refusals(line)` what the engine's own parser would say to a line that somebody else wrote.
"""

from __future__ import annotations

from typing import assert_never

from clore_inference.engines import llamacpp, sglang, vllm
from clore_inference.engines.command import SNAPSHOT, EngineCommand
from clore_inference.engines.foreign import before_flags, contained, recognise
from clore_inference.engines.parser import Refusal, elsewhere, refusals
from clore_inference.engines.weights import WeightsFiles, weights
from clore_inference.spec import DeploymentSpec

__all__ = [
    "EngineCommand",
    "Refusal",
    "WeightsFiles",
    "before_flags",
    "command",
    "contained",
    "elsewhere",
    "host_argv",
    "reads_snapshot",
    "recognise",
    "refusals",
    "weights",
]


def command(spec: DeploymentSpec) -> EngineCommand:
    """Return the line that a host is to run; ConfigError where its engine has none."""
    match spec.engine:
        case "vllm":
            return vllm.command(spec)
        case "sglang":
            return sglang.command(spec)
        case "llamacpp":
            return llamacpp.command(spec)
    assert_never(spec.engine)


def reads_snapshot(line: EngineCommand) -> bool:
    """Whether a word of the line names a file of the fetched revision, by a pattern."""
    return any(word.startswith(SNAPSHOT) for word in line.argv)


def host_argv(line: EngineCommand) -> tuple[str, ...]:
    """Return the line as the host runs it: SGLang and llama.cpp through ours, vLLM unchanged."""
    match line.engine:
        case "vllm":
            return line.argv
        case "sglang":
            return sglang.on_host(line.argv)
        case "llamacpp":
            return llamacpp.on_host(line.argv)
    assert_never(line.engine)
