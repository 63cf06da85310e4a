"""vLLM's command line: parsing and the checks it makes before anything is loaded."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from clore_emulator.engines.checkpoint import Architecture, LoadError
from clore_emulator.engines.flags import Release, add_flags

OTHER_COMMANDS: Final = (
    "chat", "complete", "launch", "bench", "collect-env", "download-kernels", "preload",
    "run-batch", "snapshot",
)  # fmt: skip
DEFAULT_BATCHED_TOKENS: Final = 8192
DEFAULT_SEQUENCES: Final = 1024


class _Parser(argparse.ArgumentParser):
    """Takes underscores for dashes in flags, and `--json-flag.key value` for JSON."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        words = _nested_json([_dashed(word) for word in args or []])
        parsed, unknown = super().parse_known_args(words, namespace)
        return parsed, unknown


def parse(arguments: Sequence[str], release: Release) -> argparse.Namespace:
    """Parse `vllm …`; refusals leave with code 2 and argparse's text, as in the release.

    Raises TypeError or LoadError for what vLLM validates right after parsing.
    """
    parser = _Parser(prog="vllm", description="vLLM CLI")
    parser.add_argument("-v", "--version", action="version", version=release.version)
    commands = parser.add_subparsers(dest="subparser")
    usage = "vllm serve [model_tag] [options]"
    serve = commands.add_parser("serve", usage=usage)
    serve.add_argument("model_tag", nargs="?")
    add_flags(serve, release)
    for name in OTHER_COMMANDS:
        commands.add_parser(name)
    parsed = parser.parse_args(list(arguments))
    if parsed.subparser != "serve":
        parser.error("the emulator serves models; it has no other command")
    parsed.model = parsed.model_tag or parsed.model
    _validate(parsed)
    return parsed


def check_frontend(parsed: argparse.Namespace, release: Release) -> None:
    """What the API server checks at start: the names of the parsers."""
    tools, reasoning = release.facts["tool_call_parsers"], release.facts["reasoning_parsers"]
    if parsed.enable_auto_tool_choice and parsed.tool_call_parser not in tools:
        chosen = f"invalid tool call parser: {parsed.tool_call_parser}"
        message = f"{chosen} (chose from {{ {','.join(tools)} }})"
        raise LoadError(f"KeyError: {message!r}")
    if parsed.reasoning_parser and parsed.reasoning_parser not in reasoning:
        chosen = f"invalid reasoning parser: {parsed.reasoning_parser}"
        message = f"{chosen} (chose from {{ {','.join(reasoning)} }})"
        raise LoadError(f"KeyError: {message!r}")


def check_config(parsed: argparse.Namespace, architecture: Architecture, gpu_count: int) -> None:
    """What the engine config refuses: context, utilization, batch, parallelism."""
    _check_context(parsed, architecture)
    utilization = parsed.gpu_memory_utilization
    if not 0 < utilization <= 1:
        rule = "less than or equal to 1" if utilization > 1 else "greater than 0"
        raise LoadError(
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for CacheConfig\n"
            f"gpu_memory_utilization\n  Input should be {rule} [input_value={utilization}]"
        )
    sequences = parsed.max_num_seqs or DEFAULT_SEQUENCES
    batched = parsed.max_num_batched_tokens or max(DEFAULT_BATCHED_TOKENS, sequences)
    if batched < sequences:
        _invalid(
            "SchedulerConfig",
            f"max_num_batched_tokens ({batched}) must be greater than or equal to max_num_seqs "
            f"({sequences}).",
        )
    parallel = parsed.tensor_parallel_size
    if architecture.heads % parallel:
        _invalid(
            "VllmConfig",
            f"Total number of attention heads ({architecture.heads}) must be divisible by tensor "
            f"parallel size ({parallel}).",
        )
    world = parallel * parsed.pipeline_parallel_size
    if world > gpu_count:
        _invalid(
            "ParallelConfig",
            f"World size ({world}) is larger than the number of available GPUs ({gpu_count}) in "
            "this node. If this is intentional and you are using:\n- ray, set "
            "'--distributed-executor-backend ray'.\n- multiprocessing, set '--nnodes' "
            "appropriately.",
        )


def check_model(parsed: argparse.Namespace, architecture: Architecture) -> None:
    """What only the model's layers find: KV heads that the tensor parallel size does not divide."""
    parallel, heads = parsed.tensor_parallel_size, architecture.kv_heads
    if max(parallel, heads) % min(parallel, heads):
        raise LoadError("AssertionError")


def _check_context(parsed: argparse.Namespace, architecture: Architecture) -> None:
    longest = architecture.max_context
    if parsed.max_model_len in (None, -1) or parsed.max_model_len <= longest:
        return
    _invalid(
        "ModelConfig",
        f"User-specified max_model_len ({parsed.max_model_len}) is greater than the derived "
        f"max_model_len (max_position_embeddings={longest} or model_max_length=None in model's "
        "config.json). To allow overriding this maximum, set the env var "
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1.",
    )


def _invalid(config: str, text: str) -> None:
    head = f"pydantic_core._pydantic_core.ValidationError: 1 validation error for {config}"
    raise LoadError(f"{head}\n  Value error, {text}")


def _validate(parsed: argparse.Namespace) -> None:
    if parsed.enable_auto_tool_choice and not parsed.tool_call_parser:
        raise TypeError("Error: --enable-auto-tool-choice requires --tool-call-parser")
    if parsed.enable_log_outputs and not parsed.enable_log_requests:
        raise TypeError("Error: --enable-log-outputs requires --enable-log-requests")


def _dashed(word: str) -> str:
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    flag, dot, keys = name.partition(".")
    return flag.replace("_", "-") + dot + keys + equals + value


def _nested_json(words: list[str]) -> list[str]:
    """Collect `--flag.a.b value` into one `--flag {"a": {"b": value}}`."""
    kept: list[str] = []
    nested: dict[str, dict[str, Any]] = {}
    rest = iter(words)
    for word in rest:
        match = re.fullmatch(r"(--[\w-]+)\.([\w.+-]+)(?:=(.*))?", word, re.DOTALL)
        if not match:
            kept.append(word)
            continue
        flag, keys, value = match.groups()
        *parents, last = keys.split(".")
        node = nested.setdefault(flag, {})
        for key in parents:
            node = node.setdefault(key, {})
        text = next(rest, "") if value is None else value
        if last.endswith("+"):
            node.setdefault(last[:-1], []).extend(_literal(part) for part in text.split(","))
        else:
            node[last] = _literal(text)
    for flag, document in nested.items():
        kept += [flag, json.dumps(document)]
    return kept


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
