"""Record a state of this version, with the ledger that it belongs to, for the upgrade tests.

    python tests/upgrade/record.py 0.1.0

Deploys the program against an emulator and keeps what a later version must be able to destroy: the
exported stack, its settings, and the emulator's ledger. Passphrase and keys are of no other use.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from support.engine import ensured_engine  # noqa: E402 - its path is only known here
from support.market import Market  # noqa: E402
from support.recorded import LEDGER, NOWHERE, PASSPHRASE, SETTINGS, STATE  # noqa: E402
from support.rental import Rental  # noqa: E402


def main(version: str) -> None:
    target = ROOT / "tests" / "upgrade" / version
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        market = Market.start(Path(scratch) / "market", "--liars", "none")
        rental = Rental.create(Path(scratch) / "rental", ensured_engine(), market, PASSPHRASE)
        try:
            done = rental.up()
            if done.code != 0:
                sys.exit(done.text)
            exported = _without_places(rental.export()).replace(sys.prefix, NOWHERE)
            settings = rental.directory / "stacks" / f"Pulumi.{rental.stack}.yaml"
            shutil.copy(settings, target / SETTINGS)
        finally:
            rental.close()
            market.stop()
        (target / STATE).write_text(exported + "\n", encoding="utf-8")
        for name in LEDGER:
            shutil.copy(market.directory / name, target / name)


def _without_places(exported: dict[str, Any]) -> str:
    """The state as text, without the lines of source that registered each resource."""
    for resource in exported["deployment"]["resources"]:
        for place in ("sourcePosition", "stackTrace"):
            resource.pop(place, None)
    return json.dumps(exported, indent=1)


if __name__ == "__main__":
    main(sys.argv[1])
