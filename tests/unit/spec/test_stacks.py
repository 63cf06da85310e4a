"""The shipped stacks say what they promise and break no mandatory rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from clore_inference.rules import check_values, construct
from clore_inference.spec import DeploymentSpec, read_stack_file

STACKS = sorted((Path(__file__).resolve().parents[3] / "stacks").glob("Pulumi.*.yaml"))


def stack(name: str) -> DeploymentSpec:
    path = next(path for path in STACKS if path.name == f"Pulumi.{name}.yaml")
    return DeploymentSpec.parse(read_stack_file(path.read_text(encoding="utf-8")).values)


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_a_shipped_stack_breaks_no_mandatory_rule_and_only_misses_pins(path: Path) -> None:
    file = read_stack_file(path.read_text(encoding="utf-8"))
    _, warnings = construct(file.values, plain_secrets=file.plain_secrets)
    assert {one.rule for one in warnings} <= {"clore-image-pin-digest", "clore-model-pin-revision"}


@pytest.mark.parametrize(
    ("name", "topology", "context", "exposure"),
    [
        ("local", "4xH100", 65536, "public"),
        ("h100", "4xH100", 65536, "private"),
        ("h200", "2xH200", 131072, "private"),
    ],
)
def test_the_stacks_are_the_guides(name: str, topology: str, context: int, exposure: str) -> None:
    spec = stack(name)
    assert (spec.topology, spec.precision, spec.max_model_len, spec.exposure) == (
        topology,
        "fp8",
        context,
        exposure,
    )


def test_a_public_stack_says_so_in_its_own_line() -> None:
    for path in STACKS:
        text = path.read_text(encoding="utf-8")
        if "exposure: public" in text:
            assert "# PUBLIC:" in text, f"{path.name} is public and does not say so"


def test_only_the_demonstration_runs_a_fast_clock() -> None:
    assert [path.stem for path in STACKS if "timeScale" in path.read_text(encoding="utf-8")] == [
        "Pulumi.local"
    ]


def test_a_stack_that_leaves_loopback_cannot_keep_the_fast_clock() -> None:
    path = next(path for path in STACKS if path.stem == "Pulumi.local")
    values = read_stack_file(path.read_text(encoding="utf-8")).values
    found = check_values({**values, "apiUrl": "https://api.clore.ai"})
    assert "clore-clock-require-loopback" in {one.rule for one in found}
