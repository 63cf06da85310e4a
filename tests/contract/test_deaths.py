"""Every recorded death of an engine is named rightly.

`vllm-…` and `llamacpp-…` were made to die here, on CPU (`tools/real_engines/deaths.py`); `public` are
texts of GPUs and drivers that others recorded, each with its address.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clore_inference.host.failure import ENGINE_FIXES
from clore_inference.host.travelling.causes import CAUSES, FINAL
from clore_inference.host.travelling.death import classify

FOLDER = Path(__file__).parent / "deaths"
RECORDS = sorted(FOLDER.glob("*/*.txt"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_death_is_named(path: Path) -> None:
    head, _, said = path.read_text(encoding="utf-8").partition("\n\n")
    origin, code, kind = (line.partition(": ")[2] for line in head.splitlines())
    death = classify(said.splitlines(), int(code), was_ready=False)
    assert death.kind == kind, f"{origin}: {death.line}"


def test_what_nobody_could_provoke_here_says_where_it_was_recorded() -> None:
    for path in (FOLDER / "public").glob("*.txt"):
        assert re.match(r"recorded at: https://github\.com/\S+/(issues|pull)/\d+", path.read_text())


def test_every_text_has_a_source_and_every_final_cause_a_text() -> None:
    assert all(one.source == "our own" or one.source.startswith("https://") for one in CAUSES)
    assert {one.kind for one in CAUSES} >= FINAL


def test_every_name_is_explained_and_has_a_fix() -> None:
    page = Path(__file__).parents[2] / "docs" / "when-an-engine-dies.md"
    explained = set(re.findall(r"`([a-z_]+)`", page.read_text(encoding="utf-8")))
    named = {one.kind for one in CAUSES} | {"killed", "crash_loop", "out_of_memory_at_work"}
    assert named <= explained
    assert named <= set(ENGINE_FIXES)
    assert set(ENGINE_FIXES) <= explained
