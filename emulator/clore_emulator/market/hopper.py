"""H100 and H200 servers of the same row shape; invented, since no recorded snapshot has any.

The names are nvidia-smi's. The prices follow the ranges that Clore's own guide for Mistral Medium
3.5 gives (24 to 48 USD a day for 4x H100, 30 to 50 for 2x H200). Only servers that say nothing else
in `NOTES` are what a sensible renter wants; each other one has a single reason against it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from .real import gpu_array, price_block

FIRST_ID: Final = 98001
"""Ids of 2026 lie around 99,000; the snapshot of 2024 ends at 25,769."""

SXM = "NVIDIA H100 80GB HBM3"
PCIE = "NVIDIA H100 PCIe"
H100_NVL = "NVIDIA H100 NVL"
H200 = "NVIDIA H200"
H200_NVL = "NVIDIA H200 NVL"
_GPURAM_GB: Final = {SXM: 79, PCIE: 79, H100_NVL: 93, H200: 140, H200_NVL: 140}


@dataclass(frozen=True)
class Batch:
    """Servers of one kind, with the price range and the one thing that is wrong with them."""

    count: int
    gpu: str
    gpus: int
    usd_per_day: tuple[float, float]
    note: str = "fine"
    lie: str | None = None


BATCHES: Final = (
    Batch(12, SXM, 4, (27.0, 43.0)),
    Batch(8, H200, 2, (31.0, 45.0)),
    Batch(6, SXM, 1, (7.5, 13.0)),
    Batch(3, SXM, 8, (62.0, 95.0)),
    Batch(2, H200, 8, (150.0, 210.0)),
    Batch(2, PCIE, 4, (24.0, 34.0)),
    Batch(2, H100_NVL, 4, (33.0, 44.0)),
    Batch(1, H200_NVL, 2, (34.0, 42.0)),
    Batch(2, SXM, 4, (22.0, 26.0), note="thin disk"),
    Batch(1, H200, 2, (27.0, 30.0), note="thin disk"),
    Batch(2, SXM, 4, (22.0, 26.0), note="slow link"),
    Batch(1, H200, 2, (27.0, 30.0), note="slow link"),
    Batch(2, SXM, 4, (21.0, 26.0), note="short term"),
    Batch(1, H200, 2, (27.0, 30.0), note="short term"),
    Batch(2, SXM, 4, (22.0, 26.0), note="old cuda"),
    Batch(2, SXM, 4, (22.0, 26.0), note="unreliable"),
    Batch(2, SXM, 4, (23.0, 26.0), note="no usd"),
    Batch(1, H200, 2, (27.0, 30.0), note="usd not allowed"),
    Batch(4, SXM, 4, (23.0, 40.0), note="rented"),
    Batch(3, H200, 2, (30.0, 44.0), note="rented"),
    Batch(2, SXM, 4, (22.0, 26.0), note="narrow pcie"),
    Batch(3, SXM, 4, (70.0, 110.0), note="too dear"),
    Batch(2, H200, 2, (65.0, 90.0), note="too dear"),
)

LIARS: Final = tuple(
    Batch(1, gpu, gpus, (low, high), note="liar", lie=lie)
    for gpu, gpus, low, high in ((SXM, 4, 44.0, 45.0), (H200, 2, 46.0, 47.0))
    for lie in (
        "fewer_gpus", "other_gpu", "less_memory", "small_disk", "old_driver", "never_deploys",
        "deploys_without_ssh", "proxy_502",
    )
)  # fmt: skip
CHEAP_LIAR_FACTOR: Final = 0.55
"""Cheap liars undercut every honest server of their kind."""

_CPUS: Final = (
    ("AMD EPYC 9354 32-Core Processor", "64/128"),
    ("Intel(R) Xeon(R) Platinum 8480+", "112/224"),
)
_DISKS: Final = (
    "SAMSUNGx20MZQL21T9HCJRx2000A07",
    "KIOXIA KCD81VUG3T20",
    "Micron_7450_MTFDKCC3T2TFS",
)
_COUNTRIES: Final = ("US", "DE", "NL", "FI", "NO", "CA", "GB", "PL")


def hopper_rows(seed: int, *, liars: str) -> list[tuple[dict[str, Any], str | None]]:
    """Rows with the lie that each hides, or None; `liars` is `dear`, `cheap` or `none`."""
    batches = BATCHES + (() if liars == "none" else LIARS)
    numbered = (batch for batch in batches for _ in range(batch.count))
    return [
        (_row(FIRST_ID + 7 * number, batch, seed, liars=liars), batch.lie)
        for number, batch in enumerate(numbered)
    ]


def _row(server_id: int, batch: Batch, seed: int, *, liars: str) -> dict[str, Any]:
    draw = random.Random(f"{seed}:hopper:{server_id}")  # noqa: S311 - a seeded world
    price = _price(batch, draw, liars)
    coins = ["bitcoin", "CLORE-Blockchain", "USD-Blockchain"]
    if batch.note in {"no usd", "usd not allowed"}:
        coins.remove("USD-Blockchain")
    return {
        "id": server_id,
        "owner": draw.randrange(2000, 26000),
        "autoprice": "usd",
        "mrl": draw.choice((6, 12)) if batch.note == "short term" else draw.choice((168, 336, 720)),
        "price": price_block(price, price, in_usd_too=batch.note != "no usd"),
        "rented": batch.note == "rented",
        "specs": _specs(batch, draw),
        "reliability": _reliability(batch, draw),
        "allowed_coins": coins,
        "rating": {"avg": round(draw.uniform(3.8, 5), 2), "cnt": draw.randrange(0, 40)},
        "gpu_array": gpu_array(f"{batch.gpus}x {batch.gpu}", leading_space=draw.random() < 0.8),
        "gigaspot": draw.random() < 0.3,
        "cuda_version": "12.0" if batch.note == "old cuda" else draw.choice(("12.8", "13.0")),
    }


def _price(batch: Batch, draw: random.Random, liars: str) -> Decimal:
    low, high = batch.usd_per_day
    price = Decimal(str(round(draw.uniform(low, high), 2)))
    if batch.lie and liars == "cheap":
        price = (price * Decimal(str(CHEAP_LIAR_FACTOR))).quantize(Decimal("0.01"))
    return price


def _reliability(batch: Batch, draw: random.Random) -> float:
    if batch.note == "unreliable":
        return round(draw.uniform(0.55, 0.8), 4)
    return round(draw.uniform(0.985, 1), 4)


def _specs(batch: Batch, draw: random.Random) -> dict[str, Any]:
    cpu, cpus = draw.choice(_CPUS)
    watts = 700 if batch.gpu in {SXM, H200} else 350
    thin, slow, narrow = (batch.note == word for word in ("thin disk", "slow link", "narrow pcie"))
    disk_gb = draw.uniform(90, 140) if thin else draw.uniform(900, 3400)
    return {
        "mb": "H13DSG-O-CPU",
        "cpu": cpu,
        "cpus": cpus,
        "ram": round(draw.choice((503.5, 755.4, 1007.6)) + draw.random(), 4),
        "disk": f"{draw.choice(_DISKS)} {disk_gb:.4f}GB",
        "disk_speed": round(draw.uniform(1900, 6800), 4),
        "gpu": f"{batch.gpus}x {batch.gpu}",
        "gpuram": _GPURAM_GB[batch.gpu],
        "net": _net(draw, slow=slow),
        "backend_version": 21,
        "pcie_rev": 5,
        "pcie_width": 4 if narrow else 16,
        "pl": [watts] * batch.gpus,
        "stock_pl": [watts] * batch.gpus,
        "xfs": 1,
    }


def _net(draw: random.Random, *, slow: bool) -> dict[str, Any]:
    down = round(draw.uniform(60, 120) if slow else draw.uniform(1800, 9400), 2)
    up = round(down * draw.uniform(0.5, 1), 2)
    return {
        "up": up,
        "down": down,
        "cc": draw.choice(_COUNTRIES),
        "test_history": [f"S|1783{draw.randrange(100000, 999999)}|{down}|{up}"],
    }
