"""What a preview with the policy pack costs, offline, against a bare program of one resource.

Three arms in turn, several rounds: a bare program, the same with the pack, and the stack h100 with
the pack. The pack's own start is what it adds to the bare program of the same round; `ratio` is what
is left of ours, in bare previews. Goal: at most 1.2 at the median.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any, Final

from support.engine import REPOSITORY, Engine, Project, copy_project, ensured_engine, write_program

ROUNDS: Final = 5
MOST: Final = 1.2
PACK: Final = ("--policy-pack", str(REPOSITORY / "policies"))
BARE: Final = """\
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class Nothing(ResourceProvider):
    def create(self, props):
        return CreateResult("nothing", {})


class Something(Resource, name="Something"):
    pass


Something(Nothing(), "dynamic", {})
"""


def measure() -> dict[str, Any]:
    """Run every arm in every round; the first round warms file caches and is not counted."""
    with tempfile.TemporaryDirectory(prefix="clore-bench-") as scratch:
        directory, engine = Path(scratch), ensured_engine()
        bare, ours = _bare(directory / "bare", engine), _ours(directory / "ours", engine)
        try:
            rounds = [_round(bare, ours) for _ in range(ROUNDS + 1)][1:]
        finally:
            bare.close()
            ours.close()
    medians = {name: _median(one[name] for one in rounds) for name in rounds[0]}
    return {**medians, "goal_reached": medians["ratio"] <= MOST}


def _round(bare: Project, ours: Project) -> dict[str, float]:
    seconds = [_seconds(bare), _seconds(bare, *PACK), _seconds(ours, *PACK)]
    start = seconds[1] - seconds[0]
    return {
        "bare_s": seconds[0],
        "pack_start_s": start,
        "ours_with_pack_s": seconds[2],
        "ratio": (seconds[2] - start) / seconds[0],
        "added_s": seconds[2] - seconds[1],
    }


def _seconds(project: Project, *flags: str) -> float:
    result = project.preview(*flags)
    assert result.code == 0, result.text
    return result.seconds


def _median(values: Any) -> float:
    return round(float(statistics.median(values)), 2)


def _bare(directory: Path, engine: Engine) -> Project:
    write_program(directory, BARE, name="bare")
    project = Project(directory, engine)
    project.create_stack()
    return project


def _ours(directory: Path, engine: Engine) -> Project:
    copy_project(directory)
    environment = {
        "PYTHONPATH": str(REPOSITORY / "components"),
        "CLORE_INFERENCE_OFFLINE": "1",
        **dict.fromkeys(("CLORE_API_KEY", "HF_TOKEN"), ""),
    }
    project = Project(directory, engine, stack="h100", environment=environment)
    project.create_stack()
    return project
