"""What the ledger holds: accounts, orders, requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from clore_emulator import money

EndReason = Literal["cancelled", "term_over", "wallet_dry", "outbid", "by_hand", "by_host"]


@dataclass
class Order:
    """One paid rental; times are virtual unix seconds, prices native and per day."""

    id: int
    server_id: int
    account: str
    made_by: str
    """Name of the API key that created it, or `human`."""
    type: money.OrderType
    currency: str
    price: Decimal
    created_at: float
    mrl_s: int
    request: dict[str, Any]
    """Image, ports, env, command and access as they were asked for."""
    server: dict[str, Any]
    """The server's row at that moment: what the listing goes on showing."""
    visible_at: float
    ports_at: float
    deployed_at: float
    truth: dict[str, Any] = field(default_factory=dict)
    address: dict[str, Any] | None = None
    """Public ports: {"relay": {"22": 40001}, "http": 40002}; None until the host side told."""
    host_lost_at: float | None = None
    ended_at: float | None = None
    ended_by: str | None = None
    end_reason: EndReason | None = None
    end_visible_at: float | None = None
    repriced: list[tuple[int, Decimal]] = field(default_factory=list)
    """Spot: (second of the order's life, price until then), oldest first."""
    lowered_at: float | None = None

    @property
    def active(self) -> bool:
        return self.ended_at is None

    @property
    def ct(self) -> int:
        """Creation time as the API shows it, and the start of billing."""
        return int(self.created_at)

    @property
    def term_end(self) -> int:
        return self.ct + self.mrl_s

    def seconds(self, moment: float) -> int:
        """Whole billed seconds up to a moment."""
        until = moment if self.ended_at is None else min(moment, self.ended_at)
        return max(0, int(until) - self.ct)

    def spend(self, moment: float) -> Decimal:
        """Listed price times time, without any fee."""
        return self._sum(self.seconds(moment))

    def cost(self, moment: float) -> Decimal:
        """What the wallet has paid, with renter fee and creation fee."""
        running = money.with_fee(self._sum(self.seconds(moment)), self.type)
        return running.quantize(money.SMALLEST_UNIT, ROUND_HALF_UP) + money.creation_fee(
            self.currency
        )

    def burn_per_day(self) -> Decimal:
        """What an active order takes from the wallet in a day."""
        return money.with_fee(self.price, self.type) if self.active else Decimal(0)

    def _sum(self, seconds: int) -> Decimal:
        total, since = Decimal(0), 0
        for until, price in self.repriced:
            if until >= seconds:
                return total + money.spend(price, seconds - since)
            total, since = total + money.spend(price, until - since), until
        return total + money.spend(self.price, seconds - since)


@dataclass
class Account:
    """A renter: wallets, and the API keys that open it (only their digests)."""

    name: str
    deposits: dict[str, Decimal]
    """Native amounts paid in so far, by currency."""
    addresses: dict[str, str]
    keys: dict[str, str] = field(default_factory=dict)
    """Name of a key to the SHA-256 of the key."""
    closed_cost: dict[str, Decimal] = field(default_factory=dict)
    """What ended orders cost, by currency."""


@dataclass(frozen=True)
class RequestEntry:
    """One request to the API, as it was answered."""

    at: float
    method: str
    path: str
    account: str | None
    key: str | None
    status: int | None
    """HTTP status; None when the connection was dropped or hung."""
    code: int | None
    violation: bool = False
    """The client broke a rate limit; a 429 that a fault made up is none."""
    faults: tuple[str, ...] = ()
    order_id: int | None = None
    """The order that this request created or cancelled."""
    foreign: bool = False
    """A cancel of an order that another key, or a human, had made."""
