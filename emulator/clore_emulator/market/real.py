"""240 real servers of May 2024, brought to the row shape of 2026.

Source: a sample of the 3,500 servers that the public `GET https://api.clore.ai/v1/marketplace`
answered in May 2024, as an open-source client of Clore recorded them. What is added (USD prices,
`gpu_array`, allowed coins, GigaSPOT, partial rental) follows the shape of server rows recorded in
2026; the shares below are those of a snapshot of 2026 (1,156 of about 2,150 servers listed a USD
price and 1,075 of these accepted USD; about one in five rents single GPUs).
"""

from __future__ import annotations

import json
import random
import re
from decimal import Decimal
from importlib import resources
from typing import Any, Final

from clore_emulator.money import USD_RATES, native

SNAPSHOT: Final = "marketplace-2024-05.json"
WITH_USD_PRICE: Final = 1156 / 2150
USD_NOT_ALLOWED: Final = 81 / 1156
PARTIAL_RENTAL: Final = 0.2
LEADING_SPACE: Final = 0.8
MIXED_GPUS: Final = 0.02
"""Share of servers shown as `6x Mixed GPUs`; seen in 2026, the share is ours."""
CLORE_RATE_2024_USD: Final = Decimal("0.10")
"""USD for one CLORE in May 2024, rounded; only for servers that had no bitcoin price."""


def real_rows(seed: int) -> list[dict[str, Any]]:
    """The real servers in today's shape; the same for the same seed."""
    text = resources.files(__package__).joinpath(SNAPSHOT).read_text(encoding="utf-8")
    return [_modern(row, seed) for row in json.loads(text)["servers"]]


def _modern(row: dict[str, Any], seed: int) -> dict[str, Any]:
    draw = random.Random(f"{seed}:real:{row['id']}")  # noqa: S311 - a seeded world
    on_demand, spot = (_usd(row["price"][kind]) for kind in ("on_demand", "spot"))
    coins = list(row["allowed_coins"])
    in_usd_too = draw.random() < WITH_USD_PRICE
    if in_usd_too and draw.random() >= USD_NOT_ALLOWED:
        coins.append("USD-Blockchain")
    modern = {
        **row,
        "price": price_block(on_demand, spot, in_usd_too=in_usd_too),
        "specs": {**row["specs"], "stock_pl": row["specs"]["pl"]},
        "allowed_coins": coins,
        "gpu_array": gpu_array(row["specs"]["gpu"], leading_space=draw.random() < LEADING_SPACE),
        "gigaspot": draw.random() < 0.5,
    }
    if in_usd_too:
        modern["autoprice"] = "usd"
    if draw.random() < PARTIAL_RENTAL:
        modern["partial_gpu_rental"] = _partial(row, draw)
    if len(modern["gpu_array"]) > 1 and draw.random() < MIXED_GPUS:
        modern["specs"]["gpu"] = f"{len(modern['gpu_array'])}x Mixed GPUs"
        modern["gpu_array"][-1] = " RTX 3090"
    return modern


def _usd(price: dict[str, float]) -> Decimal:
    if "bitcoin" in price:
        amount = Decimal(str(price["bitcoin"])) * USD_RATES["bitcoin"]
    else:
        amount = Decimal(str(price["CLORE-Blockchain"])) * CLORE_RATE_2024_USD
    return amount.quantize(Decimal("0.01")) or Decimal("0.01")


def _partial(row: dict[str, Any], draw: random.Random) -> bool | dict[str, Any]:
    if draw.random() < 0.5:
        return True
    total = len(gpu_array(row["specs"]["gpu"], leading_space=False))
    free = 0 if row["rented"] else total
    return {"total_gpus": total, "available_gpus": free, "free_indices": list(range(free))}


def price_block(on_demand: Decimal, spot: Decimal, *, in_usd_too: bool) -> dict[str, Any]:
    """The `price` of a row for dollar prices per day."""
    coins = ["bitcoin", "CLORE-Blockchain", *(["USD-Blockchain"] if in_usd_too else [])]
    return {
        "on_demand": {coin: float(native(on_demand, coin)) for coin in coins},
        "spot": {coin: float(native(spot, coin)) for coin in coins},
        "usd": {
            "on_demand_btc": float(on_demand),
            "on_demand_clore": float(on_demand),
            **({"on_demand_usd": float(on_demand)} if in_usd_too else {}),
            "spot": 0,
        },
        "original_usd": {
            coin: {"on_demand": float(on_demand), "spot": float(spot)}
            for coin in ("CLORE-Blockchain", "bitcoin")
        },
    }


def gpu_array(gpu: str, *, leading_space: bool) -> list[str]:
    """One short name per GPU, as the market lists them: without maker, often with a space."""
    count, _, name = gpu.partition("x ")
    short = re.sub(r"^NVIDIA (GeForce )?", "", name)
    return [f"{' ' if leading_space else ''}{short}"] * int(count)
