"""The shipped stacks say what they promise and break no mandatory rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from clore_inference.engines import refusals
from clore_inference.rules import check_values, construct, plan
from clore_inference.sizing import fit
from clore_inference.spec import DeploymentSpec, read_stack_file
from clore_inference.units import GIB

STACKS = sorted((Path(__file__).resolve().parents[3] / "stacks").glob("Pulumi.*.yaml"))


KNOWN = {
    "Pulumi.h200-bf16": {"clore-memory-prefer-fp8"},
    "Pulumi.h100-upstream": {"clore-license-watch-revenue"},
    "Pulumi.h200-upstream": {"clore-license-watch-revenue"},
    "Pulumi.docker": {"clore-docker-pin-host-key"},
}
"""Warnings that belong to what a stack shows."""
OWN = {"clore-image-pin-digest", "clore-model-pin-revision", "clore-budget-limit-total"}
"""What nobody can decide for others: their pins, and what they can spend in all."""


def stack(name: str) -> DeploymentSpec:
    path = next(path for path in STACKS if path.name == f"Pulumi.{name}.yaml")
    return DeploymentSpec.parse(read_stack_file(path.read_text(encoding="utf-8")).values)


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_a_shipped_stack_breaks_no_mandatory_rule_and_only_misses_pins(path: Path) -> None:
    file = read_stack_file(path.read_text(encoding="utf-8"))
    _, warnings = construct(file.values, plain_secrets=file.plain_secrets)
    assert {one.rule for one in warnings} - OWN == KNOWN.get(path.stem, set())


@pytest.mark.parametrize(
    ("name", "topology", "precision", "context", "exposure", "release"),
    [
        ("local", "4xH100", "fp8", 65536, "public", "guide"),
        ("h100", "4xH100", "fp8", 65536, "private", "guide"),
        ("h200", "2xH200", "fp8", 131072, "private", "guide"),
        ("h200-bf16", "2xH200", "bf16", 16384, "private", "guide"),
        ("h100-q4", "1xH100", "q4_k_m", 32768, "private", "guide"),
        ("h100-upstream", "4xH100", "fp8", 65536, "private", "upstream"),
        ("docker", "4xH100", "fp8", 65536, "private", "guide"),
        ("h200-upstream", "2xH200", "fp8", 131072, "private", "upstream"),
    ],
)
def test_the_stacks_are_the_guides(
    *, name: str, topology: str, precision: str, context: int, exposure: str, release: str
) -> None:
    spec = stack(name)
    wanted = (topology, precision, context, exposure, release)
    assert wanted == (
        spec.topology, spec.precision, spec.max_model_len, spec.exposure, spec.release,
    )  # fmt: skip


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_a_shipped_stack_fits_and_its_line_is_one_that_its_engine_takes(path: Path) -> None:
    found = plan(stack(path.stem.removeprefix("Pulumi.")))
    assert found.fit.fits
    assert found.line
    assert not refusals(found.line)


def test_the_numbers_in_the_comments_are_those_of_the_plan() -> None:
    bf16, q4 = stack("h200-bf16"), stack("h100-q4")
    assert fit(bf16).largest_context == 36864
    assert fit(bf16.model_copy(update={"kv_cache_dtype": "fp8"})).largest_context == 73728
    bill = fit(q4).bill
    assert round((bill.weights + bill.reserve + bill.context) / GIB, 1) == 77.1
    assert not fit(q4.model_copy(update={"kv_cache_dtype": "f16"})).fits
    longer = q4.model_copy(update={"max_model_len": 65536})
    assert not fit(longer).fits
    assert fit(longer.model_copy(update={"kv_cache_dtype": "q4_0"})).fits


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
