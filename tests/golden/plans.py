"""Plans and findings as people read them, reviewed: every sentence, number and column."""

from __future__ import annotations

from pathlib import Path

from clore_inference import rules
from clore_inference.rules import RULES
from clore_inference.rules.markdown import markdown
from clore_inference.rules.sheet import sheet
from clore_inference.spec import DeploymentSpec
from golden.lines import BASE, COMMIT
from support.rule_examples import EXAMPLES

FOLDER = Path(__file__).parent / "plans"
RULER = "=" * 80
FINDINGS = "findings"

CASES: dict[str, dict[str, object]] = {
    "default": {},
    "misfit": {"topology": "2xH200", "precision": "bf16", "maxModelLen": 131072},
    "quantized": {
        "engine": "llamacpp", "topology": "1xH100", "precision": "q4_k_m", "kvCacheDtype": "q8_0",
        "maxModelLen": 32768, "minDownMbps": 2000, "maxReplacements": 0,
    },
    "no-checkpoint": {"release": "upstream", "precision": "bf16", "topology": "3xH100"},
    "commercial": {
        "engine": "sglang", "release": "upstream", "revision": COMMIT, "exposure": "public",
        "licenseUse": "commercial", "licenseEvidence": "modified-mit: 3 million USD a month, CFO",
        "orderType": "spot", "maxUsdTotal": 400, "minTermHours": 48, "maxReplacements": 3, "kvCacheDtype": "fp8",
    },
    "unlicensed": {"licenseUse": "commercial", "licenseEvidence": "mrl: read it", "minTermHours": 1},
    "docker": {"host": "docker", "maxNumSeqs": 8},
}  # fmt: skip


def rendered(name: str) -> str:
    """The sheet, the statements and the Markdown of one case."""
    if name == FINDINGS:
        return _findings()
    plan = rules.plan(DeploymentSpec.parse({**BASE, **CASES[name]}))
    short = sheet(plan, findings=False)[-4:]
    parts = (sheet(plan), short, plan.lines(), markdown(plan))
    return f"\n{RULER}\n".join("\n".join(rows) for rows in parts) + "\n"


def _findings() -> str:
    """What each rule says to its bad example."""
    rows = [one.text for rule in RULES for one in rule.run(EXAMPLES[rule.id].bad)]
    return "\n\n".join(rows) + "\n"


def names() -> tuple[str, ...]:
    """Every case, and the page of findings."""
    return (*CASES, FINDINGS)


def rewrite() -> None:
    """Write the file of every case, and remove files that no case has."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.txt"):
        path.unlink()
    for name in names():
        (FOLDER / f"{name}.txt").write_text(rendered(name), encoding="utf-8")
