"""Four programs with one key, over HTTP and files: the marketplace counts what breaks its limits.

Slow: real processes, which start an interpreter each, on a clock that is only twenty times as fast.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine import REPOSITORY
from support.market import Market

pytestmark = pytest.mark.slow

TIME_SCALE = 20.0
PROCESSES = 4
PROGRAM = """
import os, sys
from clore_inference.clock import clock_for
from clore_inference.market.acquire import acquire
from clore_inference.market.guard import open_lease, sweep_lease
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.ownership import draw_lease_id
from clore_inference.secret import Secret
from support.lease_world import order_request

api, scale = sys.argv[1], float(sys.argv[2])
market = Marketplace.open(
    api_url=api, key=Secret(os.environ["CLORE_API_KEY"]), clock=clock_for(api, scale),
    engine_alive=lambda: True, say=lambda _: None,
)
lease_id = draw_lease_id("pace", (22, 8000))
account = open_lease(market, lease_id)
request = order_request(max_usd_per_day="60", max_replacements=3)
acquire(market, project="pace", lease_id=lease_id, account=account, request=request,
        accept=lambda order: {"host_key": "ssh-ed25519 AAAA"})
sweep_lease(market, project="pace", lease_id=lease_id, account=account)
"""


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    running = Market.start(tmp_path / "market", "--liars", "none", time_scale=TIME_SCALE)
    yield running
    running.stop()


def test_four_programs_with_one_key_break_no_limit_and_get_an_order_each(market: Market) -> None:
    paths = [str(REPOSITORY / part) for part in ("components", "tests")]
    environment = os.environ | market.environment() | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", PROGRAM, market.api, str(TIME_SCALE)]
    running = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for process in running:
        _, said = process.communicate(timeout=180)
        assert process.returncode == 0, said
    ledger = market.ledger()
    assert ledger["violations"] == 0, "our own traffic broke a rate limit"
    assert len(ledger["orders"]) == PROCESSES
    assert len({order["server_id"] for order in ledger["orders"]}) == PROCESSES
    assert market.active_orders() == []
