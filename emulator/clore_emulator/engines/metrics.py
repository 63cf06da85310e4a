"""Counters of one engine, in the Prometheus text format under that engine's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Row = tuple[str, str, str]
"""Name, kind, attribute of Counters."""

NAMES: Final[dict[str, tuple[Row, ...]]] = {
    "vllm": (
        ("vllm:num_requests_running", "gauge", "running"),
        ("vllm:num_requests_waiting", "gauge", "waiting"),
        ("vllm:kv_cache_usage_perc", "gauge", "kv_usage"),
        ("vllm:num_preemptions_total", "counter", "preemptions"),
        ("vllm:prompt_tokens_total", "counter", "prompt_tokens"),
        ("vllm:generation_tokens_total", "counter", "generation_tokens"),
        ("vllm:request_success_total", "counter", "requests"),
        ("vllm:prefix_cache_queries_total", "counter", "prompt_tokens"),
        ("vllm:prefix_cache_hits_total", "counter", "preemptions"),
        ("vllm:time_to_first_token_seconds_count", "counter", "requests"),
        ("vllm:time_to_first_token_seconds_sum", "counter", "first_token_s"),
    ),
    "sglang": (
        ("sglang:num_running_reqs", "gauge", "running"),
        ("sglang:num_queue_reqs", "gauge", "waiting"),
        ("sglang:token_usage", "gauge", "kv_usage"),
        ("sglang:prompt_tokens_total", "counter", "prompt_tokens"),
        ("sglang:generation_tokens_total", "counter", "generation_tokens"),
        ("sglang:num_requests_total", "counter", "requests"),
    ),
    "llamacpp": (
        ("llamacpp:prompt_tokens_total", "counter", "prompt_tokens"),
        ("llamacpp:tokens_predicted_total", "counter", "generation_tokens"),
        ("llamacpp:requests_processing", "gauge", "running"),
        ("llamacpp:requests_deferred", "gauge", "waiting"),
    ),
}


@dataclass
class Counters:
    """Running totals; `first_token_s` is virtual seconds."""

    running: int = 0
    waiting: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0
    preemptions: int = 0
    kv_usage: float = 0.0
    first_token_s: float = 0.0

    def text(self, engine: str, model: str) -> str:
        """The page that `/metrics` shows."""
        labels = "" if engine == "llamacpp" else f'{{model_name="{model}"}}'
        if engine == "vllm":
            labels = f'{{engine="0",model_name="{model}"}}'
        lines: list[str] = []
        for name, kind, attribute in NAMES[engine]:
            lines += [f"# TYPE {name} {kind}", f"{name}{labels} {float(getattr(self, attribute))}"]
        return "\n".join(lines) + "\n"
