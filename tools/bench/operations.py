"""How long a first `up` takes, stage by stage, and what a preview and a no-op `up` cost.

The second is told as ratios to a bare program (one dynamic resource, one Command) in pairs, because
seconds of one machine say little about another. All against the emulator, with the real engine.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from support.engine import Engine, Project, Running, ensured_engine, write_program
from support.market import Market
from support.rental import Rental

PAIRS: Final = 5
STAGES: Final = {
    "mistral-g1-order-lease": "host_accepted",
    "mistral-g1-weights-follow": "weights_verified",
    "mistral-g1-engine-follow": "engine_ready",
    "mistral-g1-health-probe": "endpoint_proven",
}
"""The resource whose creation ends a stage."""

BARE: Final = """\
import pulumi
import pulumi_command as command
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class Nothing(ResourceProvider):
    def create(self, props):
        return CreateResult("nothing", {})


class Something(Resource, name="Something"):
    pass


Something(Nothing(), "dynamic", {})
command.local.Command("command", create="true")
"""


def measure() -> dict[str, Any]:
    """Run everything once; seconds are real ones, the marketplace's clock runs 60 times faster."""
    with tempfile.TemporaryDirectory(prefix="clore-bench-") as scratch:
        directory, engine = Path(scratch), ensured_engine()
        market = Market.start(directory / "market", "--liars", "none")
        rental = Rental.create(directory / "rental", engine, market)
        bare = _bare(directory / "bare", engine)
        try:
            first = _first_up(rental)
            deployed = bare.up()
            assert deployed.code == 0, deployed.text
            ratios = {
                "preview": _ratio(bare.preview, rental.preview),
                "no_op_up": _ratio(bare.up, rental.up),
            }
            assert rental.destroy().code == 0, "the bench leaves nothing behind"
        finally:
            rental.close()
            bare.close()
            market.stop()
    return {"first_up_s": first, "ratio_to_bare_program": ratios}


def _bare(directory: Path, engine: Engine) -> Project:
    write_program(directory, BARE, name="bare")
    project = Project(directory, engine)
    project.create_stack()
    return project


def _first_up(rental: Rental) -> dict[str, float]:
    begun = time.monotonic()
    running = rental.start("up", "--yes", "--skip-preview")
    seen: dict[str, float] = {}
    while running.process.poll() is None:
        for name in _created(running):
            seen.setdefault(STAGES[name], round(time.monotonic() - begun, 1))
        time.sleep(0.05)
    result = running.finish()
    assert result.code == 0, result.text
    return {**seen, "command_ended": round(result.seconds, 1)}


def _created(running: Running) -> list[str]:
    if not running.events_file.exists():
        return []
    found = []
    for line in running.events_file.read_text(encoding="utf-8").splitlines():
        if "resOutputsEvent" not in line or not line.endswith("}"):
            continue
        urn = json.loads(line)["resOutputsEvent"]["metadata"]["urn"]
        name = urn.rsplit("::", 1)[1]
        if name in STAGES:
            found.append(name)
    return found


def _ratio(bare: Callable[[], Any], ours: Callable[[], Any]) -> dict[str, float]:
    pairs = []
    for number in range(PAIRS + 1):
        plain, full = bare(), ours()
        assert plain.code == full.code == 0, full.text
        if number:  # the first pair warms file caches
            pairs.append((plain.seconds, full.seconds))
    ratios = [full / plain for plain, full in pairs]
    return {
        "median": round(statistics.median(ratios), 2),
        "least": round(min(ratios), 2),
        "most": round(max(ratios), 2),
        "added_s": round(statistics.median(full - plain for plain, full in pairs), 2),
    }
