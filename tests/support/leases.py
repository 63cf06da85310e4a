"""Programs of guards, leases and keys alone: what money hangs on, without weights and engines."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.engine import Engine
from support.rental import Rental

PROGRAM = '''"""Orders alone."""

import signal

import pulumi

from clore_inference import settings
from clore_inference.gpu_order import GpuOrder
from clore_inference.keys import Keys

signal.signal(signal.SIGINT, signal.SIG_DFL)
keys = Keys("keys")
link = {{"public_key": keys.public_key, "private_key": keys.private_key}}
for name in {names!r}:
    pulumi.export(name, GpuOrder(name, settings.load() | link).order_id)
'''


def only_leases(rental: Rental, *names: str) -> Rental:
    """Let a rental's program hold these orders, and nothing on them."""
    program = PROGRAM.format(names=names)
    (rental.directory / "__main__.py").write_text(program, encoding="utf-8")
    return rental


def held(rental: Rental) -> list[int]:
    """The orders that a state holds, by its leases, sorted."""
    rows = rental.resources().values()
    leases = [row["outputs"] for row in rows if str(row["type"]).endswith(":Lease")]
    return sorted(int(one["order_id"]) for one in leases)


def copy_of(rental: Rental, directory: Path, engine: Engine) -> Rental:
    """The same project with a copy of its state: what restoring a backup, or a cache in CI, makes."""
    shutil.copytree(rental.directory, directory)
    kept = {k: v for k, v in rental.environment.items() if k != "PULUMI_BACKEND_URL"}
    twin = Rental(directory, engine, stack=rental.stack, environment=kept)
    twin.market = rental.market
    return twin
