"""The market as one object: rows that everybody sees and truths that only the host side sees."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from clore_emulator.money import CURRENCIES, in_usd, native

from .hopper import hopper_rows
from .real import real_rows
from .truth import Truth, honest_truth, tell_lie

Liars = Literal["dear", "cheap", "none"]


@dataclass
class Market:
    """Server rows by id, in listing order, and the lie of each server that tells one."""

    rows: dict[int, dict[str, Any]]
    lies: dict[int, str] = field(default_factory=dict)
    offline: set[int] = field(default_factory=set)
    _base: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Prices before anything moved, of the servers whose price moved."""

    def truth(self, server_id: int) -> Truth:
        """What the machine really is; `Mixed GPUs` rows stand for their first kind."""
        truth = honest_truth(self.rows[server_id])
        lie = self.lies.get(server_id)
        return tell_lie(truth, lie) if lie else truth

    def price(self, server_id: int, kind: Literal["on_demand", "spot"], currency: str) -> Decimal:
        """The native price per day, or the least spot bid; 0 when none is listed."""
        return Decimal(str(self.rows[server_id]["price"][kind].get(currency, 0)))

    def usd_per_day(self, server_id: int) -> Decimal:
        """The on-demand price in dollars, from the most exact currency that has one."""
        prices = self.rows[server_id]["price"]["on_demand"]
        currency = next(coin for coin in reversed(CURRENCIES) if coin in prices)
        return in_usd(Decimal(str(prices[currency])), currency).quantize(Decimal("0.01"))

    def set_price_factor(self, server_id: int, factor: Decimal) -> None:
        """Multiply every original price of a server, to the cent."""
        base = self._base.setdefault(server_id, copy.deepcopy(self.rows[server_id]["price"]))
        price = copy.deepcopy(base)
        for kind in ("on_demand", "spot"):
            price[kind] = {
                coin: _scaled(amount, coin, factor) for coin, amount in base[kind].items()
            }
        price["usd"] = {name: _cents(value, factor) for name, value in base.get("usd", {}).items()}
        self.rows[server_id]["price"] = price


def _scaled(amount: float, currency: str, factor: Decimal) -> float:
    usd = (in_usd(Decimal(str(amount)), currency) * factor).quantize(Decimal("0.01"))
    return float(native(usd, currency))


def _cents(amount: float, factor: Decimal) -> float:
    return float((Decimal(str(amount)) * factor).quantize(Decimal("0.01")))


def build_market(seed: int = 0, *, liars: Liars = "dear") -> Market:
    """The default market; `liars` says whether dishonest hosts are dear, cheapest, or absent."""
    hopper = hopper_rows(seed, liars=liars)
    rows = [*real_rows(seed), *(row for row, _ in hopper)]
    return Market(
        rows={row["id"]: row for row in rows},
        lies={row["id"]: lie for row, lie in hopper if lie},
    )


def load_market(path: Path) -> Market:
    """A market from a file: `{"servers": [rows of 2026], "lies": {"<server id>": "<lie>"}}`.

    Raises ValueError for a file that has no usable servers.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    servers = document.get("servers") if isinstance(document, dict) else None
    if not isinstance(servers, list) or not servers:
        message = f'{path} has no "servers": nothing could be rented. Give a list of server rows.'
        raise ValueError(message)
    rows = {int(row["id"]): copy.deepcopy(row) for row in servers}
    lies = {int(server): str(lie) for server, lie in document.get("lies", {}).items()}
    market = Market(rows=rows, lies=lies)
    for server_id in rows:
        market.truth(server_id)
    return market
