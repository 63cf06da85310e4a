"""The market: real servers in the shape of 2026, and H100 and H200 hosts, honest and not."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clore_emulator.market import LIES, Market, build_market, honest_truth, load_market, tell_lie
from clore_emulator.market.hopper import FIRST_ID

MARKET = build_market(0)


def rows(gpu: str, market: Market = MARKET) -> list[dict[str, Any]]:
    return [row for row in market.rows.values() if row["specs"]["gpu"] == gpu]


def fits(row: dict[str, Any], usd_per_day: float, market: Market = MARKET) -> bool:
    """What a sensible renter takes: rentable, big, near, paid in USD, for at least a day."""
    disk = re.search(r"([\d.]+)GB$", row["specs"]["disk"])
    return (
        not row["rented"]
        and row["id"] not in market.lies
        and "USD-Blockchain" in row["allowed_coins"]
        and 0 < row["price"]["on_demand"].get("USD-Blockchain", 0) * 1.05 <= usd_per_day
        and row["mrl"] >= 24
        and row["specs"]["net"]["down"] >= 1000
        and row["specs"]["pcie_width"] >= 16
        and row["reliability"] >= 0.95
        and float(row["cuda_version"]) >= 12.6
        and disk is not None
        and float(disk.group(1)) >= 400
    )


def test_the_same_seed_is_the_same_market_and_another_is_not() -> None:
    assert build_market(0).rows == MARKET.rows
    assert build_market(1).rows != MARKET.rows


def test_all_real_servers_are_there_in_todays_shape() -> None:
    real = [row for row in MARKET.rows.values() if row["id"] < FIRST_ID]
    assert len(real) == 240
    usd = [row for row in real if "USD-Blockchain" in row["price"]["on_demand"]]
    allowed = [row for row in usd if "USD-Blockchain" in row["allowed_coins"]]
    assert 100 < len(usd) < 160, "about 54 % list a USD price"
    assert 0 < len(usd) - len(allowed) < 20, "some list it and do not take it"
    assert any(name.startswith(" ") for row in real for name in row["gpu_array"])
    assert any("partial_gpu_rental" in row for row in real)
    for row in real:
        count = int(row["specs"]["gpu"].partition("x ")[0])
        assert len(row["gpu_array"]) == count, row["id"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_enough_honest_hosts_fit_the_guides_price_range(seed: int) -> None:
    market = build_market(seed)
    h100 = [r for r in rows("4x NVIDIA H100 80GB HBM3", market) if fits(r, 48, market)]
    h200 = [r for r in rows("2x NVIDIA H200", market) if fits(r, 50, market)]
    assert len(h100) >= 10
    assert len(h200) >= 6


def test_every_kind_that_a_renter_must_tell_apart_is_on_offer() -> None:
    for gpu in (
        "1x NVIDIA H100 80GB HBM3",
        "8x NVIDIA H100 80GB HBM3",
        "4x NVIDIA H100 PCIe",
        "4x NVIDIA H100 NVL",
        "8x NVIDIA H200",
        "2x NVIDIA H200 NVL",
    ):
        assert rows(gpu), gpu
    assert any(not fits(row, 48) for row in rows("4x NVIDIA H100 80GB HBM3"))


def test_an_honest_machine_is_what_its_row_says() -> None:
    truth = MARKET.truth(FIRST_ID)
    assert (truth.gpu, truth.gpu_count) == ("NVIDIA H100 80GB HBM3", 4)
    assert truth.gpu_memory_mib == 81559
    assert (truth.deploys, truth.ssh, truth.http) == (True, True, "wired")


def test_every_row_has_a_machine_behind_it() -> None:
    for server_id, row in MARKET.rows.items():
        truth = MARKET.truth(server_id)
        assert truth.gpu_count >= 1
        assert truth.disk_free_gb > 0 or "0GB" in row["specs"]["disk"], server_id


@pytest.mark.parametrize("name", LIES)
def test_every_lie_makes_the_machine_less(name: str) -> None:
    honest = honest_truth(MARKET.rows[FIRST_ID])
    assert tell_lie(honest, name) != honest


def test_cheap_liars_undercut_the_honest_and_can_be_left_out() -> None:
    cheap = build_market(0, liars="cheap")
    liars = [cheap.usd_per_day(server) for server in cheap.lies]
    honest = [
        cheap.usd_per_day(row["id"])
        for row in rows("4x NVIDIA H100 80GB HBM3", cheap)
        if fits(row, 48, cheap)
    ]
    assert min(liars) < min(honest)
    assert build_market(0, liars="none").lies == {}


def test_a_moved_price_moves_in_every_currency_and_back() -> None:
    market = build_market(0)
    market.set_price_factor(FIRST_ID, Decimal("1.5"))
    price = market.rows[FIRST_ID]["price"]
    assert price["on_demand"]["USD-Blockchain"] == 52.8
    assert price["usd"]["on_demand_usd"] == 52.8
    market.set_price_factor(FIRST_ID, Decimal(1))
    assert market.rows[FIRST_ID]["price"]["on_demand"]["USD-Blockchain"] == 35.2


def test_a_market_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "market.json"
    row = MARKET.rows[FIRST_ID]
    path.write_text(
        json.dumps({"servers": [row], "lies": {str(FIRST_ID): "old_driver"}}), encoding="utf-8"
    )
    market = load_market(path)
    assert market.rows == {FIRST_ID: row}
    assert market.truth(FIRST_ID).cuda == "11.4"


def test_a_market_file_without_servers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "market.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="nothing could be rented"):
        load_market(path)
