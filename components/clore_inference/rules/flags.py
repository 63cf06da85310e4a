"""Rules about an engine's line: the flags the model needs, and what breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from clore_inference import catalog, engines
from clore_inference.engines import EngineCommand
from clore_inference.rules.facts import Facts
from clore_inference.rules.rule import GUIDE, SGLANG, VLLM, VLLM_SECURITY, Rule

MISTRAL_FORMAT: Final = ("--tokenizer-mode", "--config-format", "--load-format")
SHARES: Final = ("--gpu-memory-utilization", "--mem-fraction-static")
LEAST_SHARE: Final = 0.10
MOST_SHARE: Final = 0.97
"""Above it the driver's own context (about 0.5 GiB) and other processes have no memory left."""
DEFAULT_BATCHED_TOKENS: Final = 8192
"""Of a vLLM server on GPUs of 80 to 160 GB. Source: vllm/engine/arg_utils.py, 0.33."""
RUST: Final = {"vllm": "VLLM_USE_RUST_FRONTEND", "sglang": "SGLANG_RUST_SERVER"}
CACHE_VARIABLES: Final = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE")
CACHE_END: Final = ".cache/huggingface"
CACHE: Final = f"/root/{CACHE_END}"
"""Where the engines' images look, and the guide mounts a volume."""
GONE: Final = {
    "--enable-reasoning": "gone in 0.10.0: --reasoning-parser alone switches it on",
    "--swap-space": "gone by 0.18",
    "--disable-log-requests": "gone by 0.18: --no-enable-log-requests",
    "--speculative-model": "gone: --speculative-config takes JSON",
    "--num-speculative-tokens": "gone: --speculative-config takes JSON",
}
"""Flags that vLLM once had, and what took their place. Source: its release notes."""


def _line(facts: Facts, *names: str) -> EngineCommand | None:
    """The line, if it is one of these engines."""
    return facts.line if facts.line and facts.line.engine in names else None


def _mistral_format(facts: Facts) -> Iterator[str]:
    line = _line(facts, "vllm")
    if line is None:
        return
    missing = [flag for flag in MISTRAL_FORMAT if line.value(flag) != "mistral"]
    if missing:
        yield (
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not `mistral`: the three "
            "belong together, or tokenizer and weights are read in another format."
        )


def _tools(facts: Facts) -> Iterator[str]:
    line = _line(facts, "vllm", "sglang")
    if line is None:
        return
    missing = (
        [] if line.value("--tool-call-parser") == "mistral" else ["--tool-call-parser mistral"]
    )
    if line.engine == "vllm" and not line.has("--enable-auto-tool-choice"):
        missing.append("--enable-auto-tool-choice")
    if missing:
        yield f"Without {' and '.join(missing)}, tool calls come back as plain text."


def _reasoning(facts: Facts) -> Iterator[str]:
    line = _line(facts, "vllm", "sglang")
    if line and line.value("--reasoning-parser") != "mistral":
        yield "Without --reasoning-parser mistral, deep answers have no reasoning field."


def _chunked(facts: Facts) -> Iterator[str]:
    line = _line(facts, "vllm")
    off = ("--no-enable-chunked-prefill", "--disable-chunked-prefill")
    if line and (line.has(*off) or not line.has("--enable-chunked-prefill")):
        yield "Without --enable-chunked-prefill, one long prompt stops every other answer."


def _kv_dtype(facts: Facts) -> Iterator[str]:
    spec, line = facts.spec, facts.line
    if spec and spec.kv_dtype is None:
        words = ", ".join(spec.engine_row.kv_cache_dtypes)
        yield f"Engine {spec.engine} has no KV cache type {spec.kv_cache_dtype}; it has {words}."
    value = line.value("--kv-cache-dtype") if line else None
    if spec is None and line and value:
        spelled = catalog.engine(line.engine).kv_cache_dtypes
        if value in spelled.values() or value == "bfloat16":
            return
        hint = f"; it spells it {spelled[value]}" if value in spelled else ""
        yield f"{line.engine} refuses --kv-cache-dtype {value}{hint}."


def _share(facts: Facts) -> Iterator[str]:
    text = facts.line.value(*SHARES) if facts.line else None
    if text is None:
        return
    try:
        share = float(text)
    except ValueError:
        yield f"The share of GPU memory is {text[:20]!r}, not a number."
        return
    if not LEAST_SHARE <= share <= MOST_SHARE:
        yield (
            f"The share of GPU memory is {share:g}, outside {LEAST_SHARE:g} to {MOST_SHARE:g}: the "
            "engine starts without room, or dies in the middle of a request."
        )


def _rust(facts: Facts) -> Iterator[str]:
    line = facts.line
    name = RUST.get(line.engine) if line else None
    if line and name and line.environment.get(name, "") not in ("", "0", "false", "False"):
        yield f"{name} replaces the Python application, and with it the guard that checks keys."


def _ampersand(facts: Facts) -> Iterator[str]:
    for name, value in (facts.line.environment if facts.line else {}).items():
        if "&" in value:
            yield f"Environment variable {name} has an `&`: Clore answers HTTP 500 to such an order."


def _secret(facts: Facts) -> Iterator[str]:
    line = facts.line
    if line is None:
        return
    for flag in ("--api-key", "--admin-api-key", "--hf-token"):
        if line.has(flag):
            yield f"{flag} stands in the command line, which every process of the host can read."
    for name, value in line.environment.items():
        if value and name.endswith(("_TOKEN", "_API_KEY", "_PASSWORD", "_SECRET")):
            yield f"Environment variable {name} carries a secret that state and host show in clear."


def _cache(facts: Facts) -> Iterator[str]:
    line = facts.line
    if line is None:
        return
    for name in CACHE_VARIABLES:
        path = line.environment.get(name, "").rstrip("/")
        if path and not path.removesuffix("/hub").endswith(CACHE_END):
            yield f"{name} is {path[:80]!r}: the weights kept in ~/{CACHE_END} would be fetched again."
    folder = line.value("--download-dir")
    if folder and not folder.rstrip("/").removesuffix("/hub").endswith(CACHE_END):
        yield f"--download-dir is {folder[:80]!r}: the weights kept in ~/{CACHE_END} are not used."


def _volume(facts: Facts) -> Iterator[str]:
    if facts.line is None or facts.mounts is None:
        return
    kept = [path.rstrip("/") for path in facts.mounts if path]
    if not any(path.endswith(CACHE_END) or CACHE.startswith(f"{path}/") for path in kept):
        yield (
            f"Nothing is mounted on {CACHE} of the container: each new one fetches 134 GB again, or "
            "twice as much for BF16."
        )


def _foreign(facts: Facts) -> EngineCommand | None:
    """A line that somebody else wrote. Ours are held to every release by tests, not here."""
    return None if facts.spec else facts.line


def _named(line: EngineCommand) -> str:
    return f"{line.engine} {line.version}".strip()


def _unknown_flag(facts: Facts) -> Iterator[str]:
    line = _foreign(facts)
    for one in engines.refusals(line) if line else ():
        if line is None or one.kind != "unknown":
            continue
        other = engines.elsewhere(line.engine, one.flag)
        spelled = f"{line.engine} spells it {other}" if other else ""
        gone = GONE.get(one.flag, "") if line.engine == "vllm" else ""
        hint = gone or spelled or one.because
        reason = f" ({hint})" if hint else ""
        yield f"{one.flag} is no flag of {_named(line)}{reason}: the engine ends at once."


def _flag_value(facts: Facts) -> Iterator[str]:
    line = _foreign(facts)
    for one in engines.refusals(line) if line else ():
        if line and one.kind != "unknown":
            yield f"{one.flag} {one.because}: {_named(line)} ends at once."


def _slots(facts: Facts) -> Iterator[str]:
    line = _line(facts, "llamacpp")
    count = line.value("-np", "--parallel") if line else None
    if line is None or line.has("-kvu", "--kv-unified") or not (count or "").isdecimal():
        return
    if int(count or 0) > 1:
        yield f"-np {count} divides the context by {count}: each request has that part only."


def _batch(facts: Facts) -> Iterator[str]:
    line = _line(facts, "vllm")
    if line is None:
        return
    given = (line.value("--max-num-seqs"), line.value("--max-num-batched-tokens"))
    seqs, tokens = (int(text) if text and text.isdecimal() else None for text in given)
    if seqs is not None and seqs > (tokens or DEFAULT_BATCHED_TOKENS):
        default = "" if tokens else " (its default)"
        yield (
            f"--max-num-seqs is {seqs:,}, above --max-num-batched-tokens {tokens or DEFAULT_BATCHED_TOKENS:,}"
            f"{default}: vLLM refuses its configuration after the host was rented."
        )


RULES: Final = (
    Rule(
        "clore-vllm-require-mistral-format", "mandatory", "the three mistral flags stand together",
        GUIDE, "Pass --tokenizer-mode mistral --config-format mistral --load-format mistral.",
        _mistral_format,
    ),
    Rule(
        "clore-engine-require-tool-parser", "mandatory", "tool calls are parsed", GUIDE,
        "Pass --enable-auto-tool-choice --tool-call-parser mistral (SGLang: only the parser).",
        _tools,
    ),
    Rule(
        "clore-engine-require-reasoning-parser", "mandatory", "reasoning is parsed", GUIDE,
        "Pass --reasoning-parser mistral.", _reasoning,
    ),
    Rule(
        "clore-vllm-prefer-chunked-prefill", "warning", "long prompts are served in chunks", GUIDE,
        "Pass --enable-chunked-prefill.", _chunked,
    ),
    Rule(
        "clore-engine-spell-kv-dtype", "mandatory", "the engine knows the KV cache type", SGLANG,
        "Use auto or fp8 with vllm and sglang; auto, q8_0 or q4_0 with llamacpp.", _kv_dtype,
        ("kvCacheDtype", "engine"),
    ),
    Rule(
        "clore-engine-limit-memory-share", "mandatory", "the share of GPU memory is sane", VLLM,
        "Leave gpuMemoryUtilization out: the guide's value is 0.90 on H100, 0.92 on H200.",
        _share, ("gpuMemoryUtilization",),
    ),
    Rule(
        "clore-engine-forbid-rust-frontend", "mandatory", "the engine's Python front end serves",
        VLLM_SECURITY, "Remove the variable.", _rust,
    ),
    Rule(
        "clore-engine-forbid-refused-flag", "mandatory", "every flag exists in the engine", VLLM,
        "Remove the flag, or use the one that took its place.", _unknown_flag,
    ),
    Rule(
        "clore-engine-match-flag-value", "mandatory", "every flag has a value that the engine takes",
        VLLM, "Write a value of the flag's kind; `--help=FLAG` of the engine tells it.", _flag_value,
    ),
    Rule(
        "clore-vllm-match-batch", "mandatory", "a batch has a token for each request", VLLM,
        "Lower --max-num-seqs (the guide tries 8), or raise --max-num-batched-tokens.", _batch,
    ),
    Rule(
        "clore-llamacpp-keep-context", "warning", "parallel requests share one context",
        "https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        "Pass --kv-unified, or multiply -c by the number behind -np.", _slots,
    ),
    Rule(
        "clore-order-forbid-ampersand", "mandatory", "no order carries an `&` in a variable",
        "https://docs.clore.ai", "Put the value into a file on the host instead.", _ampersand,
    ),
    Rule(
        "clore-secret-forbid-in-line", "mandatory", "no secret in a command line or environment",
        VLLM_SECURITY, "Send it over SSH standard input into a file of mode 0600.", _secret,
    ),
    Rule(
        "clore-cache-keep-path", "mandatory", "weights lie in one cache", GUIDE,
        "Remove the variable or flag; the cache is ~/.cache/huggingface.", _cache,
    ),
    Rule(
        "clore-cache-keep-volume", "warning", "a container's weights outlive it", GUIDE,
        "Mount a named volume on /root/.cache/huggingface, as host: docker does.", _volume,
    ),
)  # fmt: skip
