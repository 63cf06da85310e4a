"""Generated engine lines: good ones from specs, and ones with one thing changed in them."""

from __future__ import annotations

from random import Random
from typing import Final

from clore_inference import engines
from clore_inference.engines import EngineCommand
from clore_inference.errors import ConfigError
from clore_inference.rules import construct
from support.wishes import values

COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"
GONE: Final = (
    "--enable-reasoning",
    "--swap-space=4",
    "--speculative-model=x",
    "--use-v2-block-manager",
)
FOREIGN: Final = {
    "vllm": ("--context-length=65536", "--mem-fraction-static=0.88", "--tp-size=4", "--ctx-size=1", "-ngl=99", "--jinja"),
    "sglang": ("--max-model-len=65536", "--enable-auto-tool-choice", "--config-format=mistral", "--gpu-memory-utilization=0.9"),
}  # fmt: skip
WRONG: Final = {
    "vllm": (
        ("--port", "http"), ("--max-model-len", "long"), ("--tensor-parallel-size", "four"), ("--gpu-memory-utilization", "90%"),
        ("--kv-cache-dtype", "q8_0"), ("--speculative-config", "eagle"), ("--max-num-seqs", "2.5"), ("--seed", ""),
        ("--uvicorn-log-level", "loud"), ("--runner", "walker"),
    ),
    "sglang": (
        ("--port", "http"), ("--context-length", "64k"), ("--tp-size", "four"), ("--mem-fraction-static", "88%"),
        ("--kv-cache-dtype", "fp8"), ("--tool-call-parser", "minstrel"), ("--reasoning-parser", "minstrel"), ("--tokenizer-mode", "mistral"),
    ),
}  # fmt: skip
HARMLESS: Final = {
    "vllm": (
        ("--max-model-len", "64k"), ("--max-model-len=auto",), ("--max_num_seqs", "8"), ("--tensor-parallel", "4"),
        ("--speculative-config.method", "eagle"), ("--limit-mm-per-prompt", '{"image": 1}'), ("--no-enable-prefix-caching",),
        ("-O3",), ("--seed", "-1"), ("--language-model-only",), ("--shutdown-timeout", "60"), ("-tp=4",),
    ),
    "sglang": (
        ("--context-len", "8192"), ("--chunked-prefill-size", "4096"), ("--enable-metrics",), ("--kv-cache-dtype=fp8_e5m2",),
        ("--tensor-parallel-size", "4"), ("--chunked-prefill-size", "-1"), ("--log-level=warning",),
    ),
}  # fmt: skip


def good(engine: str, count: int, seed: int) -> list[EngineCommand]:
    """Return lines of that many random specs that break no mandatory rule."""
    dice = Random(seed)
    found: list[EngineCommand] = []
    while len(found) < count:
        try:
            spec, _ = construct(values(engine=engine, **_wish(dice)))
        except ConfigError:
            continue
        found.append(engines.command(spec))
    return found


def _wish(dice: Random) -> dict[str, object]:
    wish: dict[str, object] = {
        "topology": dice.choice(["4xH100", "8xH100", "4xH100-NVL", "2xH200", "4xH200", "2xH200-NVL"]),
        "precision": dice.choice(["fp8", "fp8", "bf16"]),
        "release": dice.choice(["guide", "upstream"]),
        "maxModelLen": dice.choice([4096, 16384, 32768, 65536, 100_000, 131072, 262144]),
        "kvCacheDtype": dice.choice(["auto", "fp8", "fp8_e4m3", "fp8_e5m2", "bf16", "bfloat16"]),
        "exposure": dice.choice(["private", "public"]),
        "servedModelName": dice.choice(["mistral-medium-3.5", "team/model_1", "M"]),
    }  # fmt: skip
    some = {
        "gpuMemoryUtilization": round(dice.uniform(0.5, 0.97), dice.choice([1, 2, 3])),
        "maxNumSeqs": dice.choice([1, 8, 256, 4096]),
        "revision": COMMIT,
    }
    return wish | {key: value for key, value in some.items() if dice.random() < 0.5}


def changed(argv: tuple[str, ...], engine: str, dice: Random) -> tuple[str, ...]:
    """Return the line with one thing changed: mostly broken, now and then only written otherwise."""
    flags = [at for at in range(2, len(argv)) if argv[at].startswith("--")]
    at = dice.choice(flags)
    before, flag, behind = argv[:at], argv[at], argv[at + 1 :]
    gone = GONE if engine == "vllm" else FOREIGN[engine]
    ways = (
        (*argv, dice.choice(gone)),
        (*argv, dice.choice(FOREIGN[engine])),
        (*argv, *dice.choice(WRONG[engine])),
        (*argv, *dice.choice(HARMLESS[engine])),
        (*before, _misspelt(flag, dice), *behind),
        (*before, f"{flag}=", *behind),
        (*before, flag, *behind[1:]),
    )
    return dice.choice(ways)


def _misspelt(flag: str, dice: Random) -> str:
    at = dice.randrange(3, len(flag))
    return flag[:at] + dice.choice("qxz") + flag[at:]
