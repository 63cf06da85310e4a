"""Every piece of advice of Clore's guide, and what holds a deployment to it: rules, or a reason why not.

The page `docs/reference/guide.md` is made of it; a test holds it to the rules. `about` is in our words.
Source: https://docs.clore.ai/guides/language-models/mistral-medium-35
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Section = Literal["deployment", "requirement", "flag", "tip", "trouble", "license"]
TITLES: Final[dict[Section, str]] = {
    "deployment": "Ways to deploy",
    "requirement": "Server requirements",
    "flag": "Start command",
    "tip": "Performance tips",
    "trouble": "Troubleshooting",
    "license": "License and access",
}
COUNTS: Final[dict[Section, int]] = {"requirement": 7, "tip": 8, "trouble": 9}
"""Rows of the guide's tables and lists."""


class Advice(NamedTuple):
    """One piece of advice."""

    section: Section
    about: str
    rules: tuple[str, ...] = ()
    besides: str = ""
    """What else sees to it; without a rule, why there is none."""


FIT: Final = "clore-memory-require-fit"
ROOM: Final = "clore-context-leave-room"
ADVICE: Final = (
    Advice("deployment", "1x H100 with 4-bit files", (FIT, "clore-engine-match-precision"), "Stack h100-q4."),
    Advice("deployment", "4x H100 in FP8, the default", (FIT,), "Stack h100."),
    Advice("deployment", "2x H200 in FP8 or BF16", (FIT, "clore-memory-prefer-fp8"), "Stacks h200 and h200-bf16; BF16 at 131,072 tokens is refused with the numbers."),
    Advice("deployment", "not 2x H100", ("clore-topology-forbid-refused",)),
    Advice("deployment", "the engine as the order's start command", (), "Not offered: such a command cannot take a secret safely, and any change of it would be a new order."),
    Advice("deployment", "24 to 48 and 30 to 50 USD a day", ("clore-budget-check-cap",)),
    Advice("requirement", "GPU memory", (FIT, "clore-topology-require-divisor"), "Asked of the offer, attested on the host."),
    Advice("requirement", "system memory", (), "No setting can lower it: it is asked of the offer, and attested on the host before anything is fetched."),
    Advice("requirement", "disk", (), "No setting can lower it: it is asked of the offer with the weights' size, and attested on the host."),
    Advice("requirement", "network of 1 Gbps", ("clore-offer-require-bandwidth",)),
    Advice("requirement", "CUDA 12.4 or 12.6", (), "No setting can lower it: it is asked of the offer; where the engine's image wants more, that."),
    Advice("requirement", "driver 555", (), "No setting can lower it: it is attested on the host; where the engine's image wants more, that."),
    Advice("requirement", "start-up time", ("clore-term-outlast-start",), "The plan has it by stage."),
    Advice("flag", "image vllm/vllm-openai:latest", ("clore-image-pin-digest", "clore-image-spell-reference")),
    Advice("flag", "vLLM 0.8 or newer", ("clore-engine-require-version", "clore-engine-prefer-version", "clore-engine-know-version"), "0.8.5 does not know the reasoning parser."),
    Advice("flag", "ports 22/tcp and 8000/http", (), "Part of every order, whatever the configuration."),
    Advice("flag", "listening on 0.0.0.0", ("clore-exposure-forbid-raw-engine", "clore-exposure-require-guard", "clore-exposure-keep-private"), "The guide's engine answers anybody."),
    Advice("flag", "memory share 0.90, 0.92 and 0.88", ("clore-engine-limit-memory-share",)),
    Advice("flag", "start with 65,536 tokens", (ROOM, "clore-context-limit-length"), "It is the default."),
    Advice("flag", "served model name", ("clore-model-spell-name",)),
    Advice("flag", "flags of another engine or release", ("clore-engine-forbid-refused-flag", "clore-engine-match-flag-value")),
    Advice("tip", "prefer FP8 on Hopper", ("clore-memory-prefer-fp8",)),
    Advice("tip", "tensor parallelism is the GPU count, no pipeline", ("clore-topology-use-all-gpus", "clore-topology-prefer-tensor")),
    Advice("tip", "cap the context to what is used", (ROOM,)),
    Advice("tip", "chunked prefill", ("clore-vllm-prefer-chunked-prefill",)),
    Advice("tip", "keep the weights in one cache", ("clore-cache-keep-path", "clore-cache-keep-volume"), "On Clore the order's disk is the cache; a Docker host has a retained volume."),
    Advice("tip", "FP8 for the KV cache", ("clore-engine-spell-kv-dtype", ROOM), "`kvCacheDtype: fp8`, in the spelling of each engine; never by itself, because the quality is to be looked at first."),
    Advice("tip", "deep mode not for every request", (), "A choice of each request: nothing of a deployment shows it. Without a word the guard serves instant answers."),
    Advice("tip", "speculative decoding", (), "Not offered yet: a draft model is a second checkpoint, whose memory no fit here counts. A foreign line may have it; spellings that are gone are refused."),
    Advice("trouble", "out of memory while loading", (FIT, "clore-memory-prefer-fp8")),
    Advice("trouble", "out of memory at 256K", (ROOM, "clore-vllm-match-batch"), "`maxNumSeqs` bounds the requests."),
    Advice("trouble", "deep answers without reasoning", ("clore-engine-require-reasoning-parser",), "The guard gives deep requests the recommended temperature; the health check asks a deep question."),
    Advice("trouble", "slow first token in deep mode", (), "Expected, and a matter of the client: streams pass the guard piece by piece."),
    Advice("trouble", "403 from Hugging Face", ("clore-model-require-token",), "An `up` asks the hub before it orders, and says which terms to accept or which release to take."),
    Advice("trouble", "tokenizer_mode errors", ("clore-vllm-require-mistral-format",)),
    Advice("trouble", "tool calls dropped", ("clore-engine-require-tool-parser",), "The health check makes one."),
    Advice("trouble", "throughput falls past 32 sessions", (ROOM,), "How long sessions are is not known before; the plan says how many full ones fit."),
    Advice("trouble", "license error", ("clore-license-require-evidence", "clore-license-match-evidence")),
    Advice("license", "research and evaluation only", ("clore-license-require-evidence", "clore-license-match-evidence")),
    Advice("license", "a commercial license for production", ("clore-license-require-evidence", "clore-license-match-evidence")),
    Advice("license", "the published Modified MIT and its limit of revenue", ("clore-license-watch-revenue",), "Not the guide's: what Mistral published. The stricter holds until the operator records which applies."),
    Advice("license", "gated weights", ("clore-model-require-token",)),
    Advice("license", "text only", (), "No setting asks for images; the files that hold the vision tower are part of the weights."),
)  # fmt: skip
