"""States that earlier versions left, with the ledgers that they belong to."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from support.engine import REPOSITORY, Engine
from support.market import Market
from support.rental import Rental

RECORDS: Final = REPOSITORY / "tests" / "upgrade"
PASSPHRASE: Final = "recorded states hold no secret that opens anything"
STATE: Final = "state.json"
SETTINGS: Final = "stack.yaml"
LEDGER: Final = ("ledger.jsonl", "api-key", "stranger-api-key")
NOWHERE: Final = "/opt/venv"
"""What stands in a recorded state for the environment that recorded it."""


def versions() -> list[str]:
    """Every version that has a recorded state."""
    return sorted(file.parent.name for file in RECORDS.glob(f"*/{STATE}"))


def restored(version: str, directory: Path, engine: Engine) -> Rental:
    """Bring back what a version left: its market with its orders, and its stack."""
    record = RECORDS / version
    market_directory = directory / "market"
    market_directory.mkdir()
    for name in LEDGER:
        shutil.copy(record / name, market_directory / name)
        (market_directory / name).chmod(0o600)
    market = Market.start(market_directory, "--no-hosts", "--liars", "none")
    rental = Rental.of(directory / "rental", engine, market, PASSPHRASE)
    shutil.copy(record / SETTINGS, rental.directory / "stacks" / f"Pulumi.{rental.stack}.yaml")
    rental.create_stack()
    imported = (record / STATE).read_text(encoding="utf-8")
    settings = (record / SETTINGS).read_text(encoding="utf-8")
    [recorded_api] = re.findall(r"apiUrl: (\S+)", settings)
    # A destroy does not run the program: Pulumi then uses the settings of the last update.
    imported = imported.replace(recorded_api, market.api)
    rental.configure(apiUrl=market.api)
    rental.run("stack", "import", "--stack", rental.stack, check=True, stdin=imported)
    return rental
