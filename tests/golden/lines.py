"""The engine lines that people review.

A file shows one word group per line; below the dashes stands what we add to the guide's line.
"""

from __future__ import annotations

from pathlib import Path

from clore_inference import engines
from clore_inference.spec import DeploymentSpec

FOLDER = Path(__file__).parent / "lines"
BASE: dict[str, object] = {"licenseUse": "evaluation", "maxUsdPerDay": "50"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"

CASES: dict[str, dict[str, object]] = {
    "guide-4xh100-fp8": {"exposure": "public"},
    "guide-2xh200-bf16": {
        "topology": "2xH200", "precision": "bf16", "maxModelLen": 131072, "exposure": "public",
    },
    "guide-sglang-4xh100-fp8": {"engine": "sglang", "exposure": "public"},
    "stack-h100": {"topology": "4xH100"},
    "stack-h200": {"topology": "2xH200", "maxModelLen": 131072},
    "vllm-everything": {
        "release": "upstream", "kvCacheDtype": "fp8", "maxNumSeqs": 8, "revision": COMMIT,
        "gpuMemoryUtilization": 0.875, "engineVersion": "0.21.0",
    },
    "sglang-everything": {
        "engine": "sglang", "release": "upstream", "kvCacheDtype": "fp8", "maxNumSeqs": 8,
        "revision": COMMIT,
    },
    "llamacpp-q4-64k": {
        "engine": "llamacpp", "topology": "1xH100", "precision": "q4_k_m", "kvCacheDtype": "q4_0",
    },
    "llamacpp-iq4-f16": {
        "engine": "llamacpp", "topology": "1xH100", "precision": "iq4_xs", "maxModelLen": 32768,
        "maxNumSeqs": 4,
    },
}  # fmt: skip


def rendered(name: str) -> str:
    """The text of one case."""
    spec = DeploymentSpec.parse({**BASE, **CASES[name]})
    line = engines.command(spec)
    guide = line.model_copy(update={"argv": line.guide})
    ours = line.model_copy(update={"argv": line.suffix})
    weights = engines.weights(spec)
    rows = [
        f"# image {line.image}, port {line.port}",
        *(f"# environment {name}={value}" for name, value in line.environment.items()),
        f"# files {', '.join(weights.allow_patterns)}{_without(weights.ignore_patterns)}",
        *guide.lines(),
        "--------",
        *ours.lines(),
        *(f"# {reason}" for reason in line.suffix_reasons),
    ]
    return "\n".join(rows) + "\n"


def _without(patterns: tuple[str, ...]) -> str:
    return f" without {', '.join(patterns)}" if patterns else ""


def rewrite() -> None:
    """Write the file of every case, and remove files that no case has."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.txt"):
        path.unlink()
    for name in CASES:
        (FOLDER / f"{name}.txt").write_text(rendered(name), encoding="utf-8")
