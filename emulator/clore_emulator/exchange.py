"""What the marketplace does: list, sell, cancel, reprice. Synchronous and without network.

Each method is one effect: it lets time pass, decides, records the event, and returns the answer, so
that nothing can come between a decision and its record.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final

from . import answer, money, wire
from .answer import Answer
from .body import CreateOrder
from .clock import VirtualClock
from .ledger import Account, Journal, Ledger, Order
from .ledger.entry import EndReason
from .market import Market, tell_lie

FIRST_ORDER_ID: Final = 1939941
"""Where recorded ids of July 2026 stand."""
SAME_PRICE: Final = Decimal("0.000001")
"""Relative difference below which `required_price` counts as the current price."""
SPOT_LOWER_WAIT_S: Final = 600
OUTBID_BY: Final = Decimal("0.1")
"""How much more than an order a stranger bids; ours."""
SPOT_LOWER_STEP: Final = Decimal("0.1")
"""A spot bid may be lowered once in 600 s (docs.clore.ai), by at most this share (ours)."""


@dataclass(frozen=True)
class Lags:
    """Ranges of virtual seconds between what happened and what the listing shows."""

    visible_s: tuple[float, float] = (2.0, 12.0)
    """From creation to the row; clients of Clore poll for up to 20 s."""
    ports_s: tuple[float, float] = (0.0, 5.0)
    """From the row to its ports."""
    deployed_s: tuple[float, float] = (150.0, 190.0)
    """From the ports to `mon_container` 2; SSH answers before, as on the real market."""
    end_visible_s: tuple[float, float] = (0.0, 3.0)
    """From a cancel to the closed row."""


NO_LAGS: Final = Lags((0, 0), (0, 0), (0, 0), (0, 0))


@dataclass
class Tweaks:
    """What faults change about the one order that a call creates."""

    list_lag_s: float | None = None
    ports_lag_s: float | None = None
    lie: str | None = None


class Exchange:
    """The marketplace over a journal, a market and a clock."""

    def __init__(
        self,
        journal: Journal,
        market: Market,
        clock: VirtualClock,
        *,
        lags: Lags | None = None,
        seed: int = 0,
    ) -> None:
        self.journal = journal
        self.market = market
        self.lags = lags or Lags()
        self.seed = seed
        self.clock = clock
        for server_id, change in journal.ledger.servers.items():
            self._apply_change(server_id, change)

    @property
    def ledger(self) -> Ledger:
        return self.journal.ledger

    def now(self) -> float:
        """Virtual time, with every order that is due ended; never before what was recorded."""
        now = max(self.clock.now(), self.ledger.latest)
        self.ledger.settle(now)
        return now

    def list_servers(self) -> list[dict[str, Any]]:
        """Every server row; offline servers stay listed, as on the real market."""
        self.now()
        return [wire.server_row(self.market, self.ledger, server) for server in self.market.rows]

    def list_orders(self, account: Account, *, completed: bool) -> list[dict[str, Any]]:
        """The account's orders as far as the listing has caught up."""
        now = self.now()
        return [
            wire.order_row(order, now, offline=self._is_offline(order))
            for order in self.ledger.orders.values()
            if order.account == account.name
            and wire.is_listed(order, now)
            and (completed or not wire.shows_as_closed(order, now))
        ]

    def create(
        self, account: Account, made_by: str, wanted: CreateOrder, tweaks: Tweaks | None = None
    ) -> Answer:
        """Sell a server, or say why not; success tells no order id."""
        now = self.now()
        refusal = self._refusal(account, wanted, now)
        if refusal is not None:
            return refusal
        held = self.ledger.order_on(wanted.server_id)
        if held is not None:
            self.end(held, by=made_by, reason="outbid")
        self._record_order(account, made_by, wanted, tweaks or Tweaks(), now)
        return answer.ok()

    def cancel(self, account: Account, order_id: int, by: str) -> Answer:
        """End an order of the account, for the key named `by`; what Clore says of unknown ids was never recorded."""
        order = self.ledger.orders.get(order_id)
        if order is None or order.account != account.name:
            return answer.error("order-not-found")
        if order.active:
            self.end(order, by=by, reason="cancelled")
        return answer.ok()

    def reprice(self, account: Account, order_id: int, price: Decimal) -> Answer:
        """Change the bid of a spot order: up at once, down in steps and rarely."""
        now = self.now()
        order = self.ledger.orders.get(order_id)
        if order is None or order.account != account.name or not order.active:
            return answer.error("order-not-found")
        if order.type != "spot" or price < self._floor(order.server_id, order.currency):
            return answer.INVALID_INPUT
        if price < order.price:
            waited = now - (order.lowered_at or order.created_at)
            if waited < SPOT_LOWER_WAIT_S:
                left = int(SPOT_LOWER_WAIT_S - waited) + 1
                return answer.error("can_lower_every_600_seconds", time_to_lowering=left)
            step = order.price * SPOT_LOWER_STEP
            if order.price - price > step:
                return answer.error("exceeded_max_step", max_step=float(step))
        self.journal.record("repriced", now, order_id=order_id, price=str(price))
        return answer.ok()

    def end(self, order: Order, *, by: str, reason: EndReason) -> None:
        """End an active order now; the listing shows it after its own lag."""
        now = self.now()
        lag = self._draw("end", order.id).uniform(*self.lags.end_visible_s)
        self.journal.record(
            "ended", now, order_id=order.id, by=by, reason=reason, visible_at=now + lag
        )

    def change_server(self, server_id: int, **change: Any) -> None:
        """Rent it to a stranger, take it offline, change its price factor or its lie."""
        self.journal.record("server", self.now(), server_id=server_id, change=change)
        self._apply_change(server_id, change)

    def move_price(self, server_id: int, factor: Decimal) -> None:
        """Multiply a server's price, whatever it was moved by before."""
        before = Decimal(self.ledger.servers.get(server_id, {}).get("factor", "1"))
        self.change_server(server_id, factor=str(before * factor))

    def outbid(self, order: Order) -> None:
        """A stranger bids more for an order's server and gets it; the spot market shows the bid."""
        bid = order.price * (1 + OUTBID_BY)
        self.end(order, by="stranger", reason="outbid")
        self.change_server(order.server_id, rented=True, bid=str(bid))

    def lose_host(self, order: Order) -> None:
        """The machine vanishes; the order goes on and bills."""
        self.journal.record("host_lost", self.now(), order_id=order.id)

    def empty_wallets(self, account: Account) -> None:
        """Take everything out of an account's wallets; what runs on them ends at once."""
        now = self.now()
        for currency in account.deposits:
            self.journal.record("wallet", now, account=account.name, currency=currency, balance="0")
        self.now()

    def newest_order(self, account: str | None) -> Order | None:
        """The youngest active order of an account, or of all."""
        active = [o for o in self.ledger.active() if account is None or o.account == account]
        return max(active, key=lambda order: order.id, default=None)

    def _refusal(self, account: Account, wanted: CreateOrder, now: float) -> Answer | None:
        if wanted.server_id not in self.market.rows:
            return answer.INVALID_INPUT
        if wanted.has_ampersand:
            return answer.DATABASE_ERROR
        if wanted.server_id in self.market.offline:
            return answer.error("server-offline")
        if self._is_taken(wanted):
            return answer.error("server-already-rented")
        return self._refusal_of_money(account, wanted, now)

    def _refusal_of_money(self, account: Account, wanted: CreateOrder, now: float) -> Answer | None:
        row, currency = self.market.rows[wanted.server_id], wanted.currency
        listed = self.market.price(wanted.server_id, "on_demand", currency)
        if currency not in row["allowed_coins"] or not listed:
            return answer.error("currency-not-allowed")
        price = self._price(wanted)
        if wanted.type == "spot" and price < self._floor(wanted.server_id, currency):
            return answer.INVALID_INPUT
        required = wanted.required_price
        # Users report a bare code 1 when their figure disagreed with the market's.
        if required is not None and abs(required - price) > SAME_PRICE * price:
            return answer.DATABASE_ERROR
        needed = money.needed_at_start(price, wanted.type, currency)
        if self.ledger.balance(account, currency, now) < needed:
            return answer.error("not_enough_balance")
        return None

    def _is_taken(self, wanted: CreateOrder) -> bool:
        held = self.ledger.order_on(wanted.server_id)
        if held is not None and held.type == "spot" and wanted.type == "spot":
            return held.currency != wanted.currency or self._price(wanted) <= held.price
        return wire.is_rented(self.market, self.ledger, wanted.server_id)

    def _price(self, wanted: CreateOrder) -> Decimal:
        if wanted.spot_price is not None:
            return wanted.spot_price
        return self.market.price(wanted.server_id, "on_demand", wanted.currency)

    def _floor(self, server_id: int, currency: str) -> Decimal:
        return self.market.price(server_id, "spot", currency)

    def _record_order(
        self, account: Account, made_by: str, wanted: CreateOrder, tweaks: Tweaks, now: float
    ) -> None:
        last = max(self.ledger.orders, default=FIRST_ORDER_ID)
        order_id = last + self._draw("gap", last).randrange(1, 9)
        draw = self._draw("order", order_id)
        visible, ports, deployed = (
            draw.uniform(*span)
            for span in (self.lags.visible_s, self.lags.ports_s, self.lags.deployed_s)
        )
        visible_at = now + (visible if tweaks.list_lag_s is None else tweaks.list_lag_s)
        ports_at = visible_at + (ports if tweaks.ports_lag_s is None else tweaks.ports_lag_s)
        truth = self.market.truth(wanted.server_id)
        self.journal.record(
            "order", now, id=order_id, server_id=wanted.server_id, account=account.name,
            made_by=made_by, type=wanted.type, currency=wanted.currency,
            price=str(self._price(wanted)),
            mrl_s=int(self.market.rows[wanted.server_id]["mrl"]) * 3600, request=wanted.request,
            server=self.market.rows[wanted.server_id], visible_at=visible_at, ports_at=ports_at,
            deployed_at=ports_at + deployed,
            truth=asdict(tell_lie(truth, tweaks.lie) if tweaks.lie else truth),
        )  # fmt: skip

    def _is_offline(self, order: Order) -> bool:
        return order.host_lost_at is not None or order.server_id in self.market.offline

    def _apply_change(self, server_id: int, change: dict[str, Any]) -> None:
        if "factor" in change:
            self.market.set_price_factor(server_id, Decimal(change["factor"]))
        if "offline" in change:
            (self.market.offline.add if change["offline"] else self.market.offline.discard)(
                server_id
            )
        if change.get("lie"):
            self.market.lies[server_id] = change["lie"]
        elif "lie" in change:
            self.market.lies.pop(server_id, None)

    def _draw(self, purpose: str, number: int) -> random.Random:
        return random.Random(f"{self.seed}:{purpose}:{number}")  # noqa: S311 - a seeded world
