"""A marketplace on which prices, fees, rates and offers move between every two requests.

The ledger notes what each order really cost in the moment in which it was sold. What a client can
know before an order is the listing; what only the order's own row tells are fees that were raised.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from clore_inference.errors import CloreInferenceError, HostRejected
from clore_inference.market.order import ActiveOrder
from clore_inference.market.transport import Call, Raw, Unsent

from .fake_clock import FakeClock
from .lease_world import Killed, Plug, Stack, World, order_request
from .market_double import LedgerOrder, MarketDouble
from .server_row import server_row

CAP = Decimal(45)
ASKED_USD = (40.0, 45.0)
"""Around the cap less its fee, 42.86: what moves crosses it."""
CURRENCIES = ("USD-Blockchain", "bitcoin", "CLORE-Blockchain")
START_RATES = {"USD-Blockchain": 1.0, "bitcoin": 68022.87, "CLORE-Blockchain": 0.002705}
"""USD for one unit; recorded in 2026."""
RATE_STEP = 0.002
"""The most that a coin moves between two requests: half a percent in three is a wild minute."""
RATE_NOISE = Decimal("0.01")
"""A coin goes on moving after the order's price was found to be within the cap."""
PRICE_STEP = 0.12
CALM_FEES = {"on-demand": 0.05, "spot": 0.0125}
AT_ONCE_S = 120.0
"""A lagging listing, the order's ports, the proof that it costs too much, its cancel."""
MISHAPS = ("price_lies", "drop_after", "code1_after", "offline", "limited_after")

Fees = Literal["as documented", "moving"]


@dataclass
class DriftingMarket(MarketDouble):
    """A double that moves before it answers; everything follows from the seed of `draw`."""

    draw: random.Random = field(default_factory=lambda: random.Random(0))
    fees: Fees = "as documented"
    moves: bool = True
    usd: dict[int, float] = field(default_factory=dict)
    """What each server asks in dollars."""

    def __post_init__(self) -> None:
        self.usd_rates = dict(START_RATES)
        self.shows_fee = self.fees == "moving"
        for number in range(self.draw.randint(3, 7)):
            self._appear(101 + number)

    def _appear(self, server_id: int) -> None:
        self.usd[server_id] = round(self.draw.uniform(*ASKED_USD), 2)
        self.servers[server_id] = server_row(
            server_id, self.usd[server_id], allowed_coins=list(CURRENCIES)
        )
        self._quote(server_id)

    def _quote(self, server_id: int) -> None:
        """Write a server's prices in every currency, at the rates of this moment."""
        asked = self.usd[server_id]
        native = {name: round(asked / rate, 8) for name, rate in self.usd_rates.items()}
        usd = {"on_demand_btc": asked, "on_demand_clore": asked, "on_demand_usd": asked, "spot": 0}
        self.servers[server_id]["price"] = {
            "on_demand": native,
            "spot": {name: round(amount * 1.03, 8) for name, amount in native.items()},
            "usd": usd,
        }

    def send(self, call: Call, *, timeout_s: float | None = None) -> Raw | Unsent:
        if self.moves:
            self._drift()
        return super().send(call, timeout_s=timeout_s)

    def _drift(self) -> None:
        draw = self.draw
        for coin in ("bitcoin", "CLORE-Blockchain"):
            self.usd_rates[coin] *= 1 + draw.uniform(-RATE_STEP, RATE_STEP)
        for server_id in self.usd:
            if draw.random() < 0.08:
                moved = self.usd[server_id] * (1 + draw.uniform(-PRICE_STEP, PRICE_STEP))
                self.usd[server_id] = round(min(max(moved, 38), 52), 2)
                self._quote(server_id)
        if draw.random() < 0.1:
            row = self.servers[draw.choice(sorted(self.servers))]
            row["rented"] = not row["rented"]
        if draw.random() < 0.05:
            self._appear(max(self.servers) + 1)
        if self.fees == "moving" and draw.random() < 0.3:
            self.fee_shares = {"on-demand": draw.uniform(0.02, 0.12), "spot": draw.uniform(0, 0.1)}

    def _wallets(self, call: Call, fault: str) -> tuple[int, Any] | Unsent:
        rows = [
            {"name": name, "deposit": f"{name}1operator", "balance": 900 / rate}
            for name, rate in self.usd_rates.items()
        ]
        return self._listing_fault(fault, "wallets") or (200, {"wallets": rows, "code": 0})


@dataclass
class Drift:
    """One seeded market and an operator who repeats what failed."""

    seed: int
    kept: dict[int, Decimal] = field(default_factory=dict)
    """Orders whose host was asked to prove itself, with their USD a day at the rate of then."""
    crashed: list[float] = field(default_factory=list)
    """When a process died; the next one ends what it left."""

    def __post_init__(self) -> None:
        draw = random.Random(self.seed)
        self.draw = draw
        self.fees: Fees = "moving" if self.seed % 2 else "as documented"
        market = DriftingMarket(
            FakeClock(),
            draw=random.Random(draw.random()),
            fees=self.fees,
            list_lag_s=draw.choice((1, 5, 20)),
            ports_lag_s=draw.choice((0, 3, 30)),
        )
        self.market = market
        self.currency = CURRENCIES[self.seed // 2 % 3]
        self.order_type = "spot" if self.seed % 7 == 0 else "on-demand"
        request = order_request(
            max_usd_per_day=CAP, currency=self.currency, order_type=self.order_type
        )
        self.world = World(market, request=request)
        self.world.judge = self._judge

    def _judge(self, order: ActiveOrder) -> dict[str, Any]:
        sold = next(one for one in self.market.orders if one.id == order.order_id)
        rate = Decimal(str(self.market.usd_rates[sold.currency]))
        self.kept[sold.id] = Decimal(str(sold.price + sold.fee)) * rate
        self.world.clock.sleep(20)
        if self.draw.random() < 0.1:
            message = f"server {order.server_id} has other GPUs"
            raise HostRejected(message, reason="other-gpu")
        return {"host_key": "ssh-ed25519 AAAA", "gpus": []}

    @property
    def lies(self) -> bool:
        """Whether this marketplace sells at other prices than it was asked for."""
        return self.seed % 5 == 0

    def run(self) -> None:
        """Up, up again, and at last destroy on a market that stands still."""
        stack = Stack()
        for _ in range(3):
            if self.draw.random() < 0.5:
                mishaps = MISHAPS if self.lies else MISHAPS[1:]
                self.market.faults["create_order"].append(self.draw.choice(mishaps))
            crash_at = self.draw.randint(0, 40) if self.draw.random() < 0.3 else None
            self._up(stack, Plug(crash_at))
            if self.draw.random() < 0.5:
                for order in self.market.active():
                    self.market.end(order, "host")
            self.world.clock.time += self.draw.choice((6, 61, 4000))
        self.market.faults.clear()
        self.market.moves = False
        self.world.destroy(stack)
        assert not self.market.active(), f"seed {self.seed}: orders are left"

    def _up(self, stack: Stack, plug: Plug) -> None:
        try:
            self.world.up(stack, plug)
        except Killed:
            self.crashed.append(self.market.now)
        except CloreInferenceError:
            pass

    def above_cap(self) -> list[LedgerOrder]:
        """What the ledger sold above the cap, by what it cost in the moment of the sale."""
        return [one for one in self.market.orders if one.usd_per_day > CAP]

    def breaches(self) -> list[str]:
        """What must never happen, whatever moves."""
        return [
            f"seed {self.seed}: order {one.id} at {one.usd_per_day:.2f} of {CAP} USD a day {how}"
            for one in self.above_cap()
            for how in self._breaks(one)
        ]

    def _breaks(self, order: LedgerOrder) -> list[str]:
        found = []
        noise = Decimal(0) if order.currency == "USD-Blockchain" else RATE_NOISE
        if self.kept.get(order.id, Decimal(0)) > CAP * (1 + noise):
            found.append("was kept")
        end = order.ended or float("inf")
        excused = any(order.created <= at <= end for at in self.crashed)
        kept = order.id in self.kept
        if end - order.created > AT_ONCE_S and not excused and not kept:
            found.append(f"was ended after {end - order.created:.0f} s only")
        if self.fees == "as documented" and not self.lies:
            found.append("was bought, though the listing said what it would cost")
        return found
