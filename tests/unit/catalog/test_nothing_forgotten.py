"""Something new is one row or one file; where a place was forgotten, a test here or beside says which."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from clore_inference import catalog, rules
from clore_inference.catalog import Checkpoint, Engine
from clore_inference.engines.command import EngineName
from clore_inference.engines.foreign import IMAGES, STARTS
from clore_inference.engines.parser import MEANINGS
from clore_inference.rules import RULES
from clore_inference.rules.exposure import DEFAULT_HOST
from clore_inference.spec import DeploymentSpec
from support.wishes import a_spec

FACTS = catalog.catalog()
ROOT = Path(__file__).resolve().parents[3]
STACKS = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))


@pytest.mark.parametrize("name", [found.name for found in pkgutil.iter_modules(rules.__path__)])
def test_the_rules_of_every_module_are_in_the_registry(name: str) -> None:
    module = import_module(f"clore_inference.rules.{name}")
    missing = [one.id for one in getattr(module, "RULES", ()) if one not in RULES]
    assert missing == [], f"add {name}.RULES to registry.py"


@pytest.mark.parametrize("row", FACTS.checkpoint, ids=lambda row: row.id)
def test_every_checkpoint_is_loaded_by_an_engine_that_reads_its_layout(row: Checkpoint) -> None:
    able = [
        engine.id
        for engine in FACTS.engine
        if row.precision in engine.precisions and engine.layout in row.layouts
    ]
    assert able, f"add {row.precision} to `precisions` of an engine that reads {row.layouts}"


def test_every_model_has_a_checkpoint_and_every_layout_a_reader() -> None:
    assert {row.model for row in FACTS.checkpoint} == {row.id for row in FACTS.model}
    assert {row.layout for row in FACTS.engine} == {row.id for row in FACTS.layout}


def test_a_plan_is_made_for_the_model_of_its_checkpoint() -> None:
    for row in FACTS.checkpoint:
        for release in row.releases:
            spec = a_spec(release=release, precision=row.precision)
            assert spec.model.id == row.model


@pytest.mark.parametrize("engine", FACTS.engine, ids=lambda engine: engine.id)
def test_every_precision_of_an_engine_has_a_checkpoint(engine: Engine) -> None:
    offered = {row.precision for row in FACTS.checkpoint if engine.layout in row.layouts}
    assert set(engine.precisions) <= offered


def test_an_engine_is_known_wherever_engines_are_told_apart() -> None:
    engines = {row.id for row in FACTS.engine}
    assert engines == set(get_args(EngineName))
    assert engines == set(get_args(DeploymentSpec.model_fields["engine"].annotation))
    assert engines == set(DEFAULT_HOST) == set(IMAGES.values()) == set(STARTS.values())
    assert engines == {name for row in MEANINGS for name in row}
    for name in engines:
        assert catalog.flag_table(name).releases(catalog.recommended(name).id), "draw its flags"


def test_every_gpu_kind_is_in_a_topology_and_every_release_has_a_license() -> None:
    assert {row.gpu for row in FACTS.topology} == {row.id for row in FACTS.gpu}
    assert {row.release for row in FACTS.license} >= {
        release for row in FACTS.checkpoint for release in row.releases
    }


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_a_stack_says_what_it_is_and_comments_every_group_of_keys(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# "), "its first line says what it is"
    groups = "\n".join(lines[lines.index("config:") + 1 :]).split("\n\n")
    for group in groups:
        assert group.lstrip().startswith("#"), f"nobody can copy what is not explained: {group!r}"


def test_the_readme_or_its_pages_name_every_stack() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    names = [path.stem.removeprefix("Pulumi.") for path in STACKS]
    assert [name for name in names if f"`{name}`" not in text] == []
