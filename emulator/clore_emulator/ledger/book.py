"""The ledger as a pure object: events go in, the state follows, and time alone ends orders.

Every change is an event, a plain JSON document with `kind` and `at`; `apply` is the only way in, so
that replaying the same events gives the same ledger. `settle` is deterministic: orders end at the
end of their term, and at the second in which their wallet cannot pay any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

from clore_emulator import money

from .entry import Account, EndReason, Order, RequestEntry

MARKET: Final = "market"
"""Who ends an order when nobody does: the end of the term, or a dry wallet."""


class Ledger:
    """Accounts, orders, requests; see `report` for the judge's view."""

    def __init__(self) -> None:
        self.opened_at = 0.0
        self.latest = 0.0
        self.seed = 0
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        self.requests: list[RequestEntry] = []
        self.servers: dict[int, dict[str, Any]] = {}
        """What changed about a server: price factor, rented by a stranger, offline, lie."""
        self._active: dict[int, Order] = {}
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "opened": self._opened,
            "account": self._account,
            "key": self._key,
            "wallet": self._wallet,
            "order": self._order,
            "address": self._address,
            "host_lost": self._host_lost,
            "repriced": self._repriced,
            "ended": self._ended,
            "server": self._server,
            "request": self._request,
            "tick": lambda _event: None,
        }

    def apply(self, event: dict[str, Any]) -> None:
        """Let time pass up to the event, then take it in; KeyError for an unknown kind."""
        handler = self._handlers[event["kind"]]
        self.settle(float(event["at"]))
        handler(event)

    def settle(self, now: float) -> list[Order]:
        """Let time pass; returns the orders that ended on the way, in the order of their end."""
        ended: list[Order] = []
        while (due := self._next_due()) is not None and due[0] <= now:
            moment, orders, reason = due
            for order in orders:
                self._end(order, moment, MARKET, reason, moment)
                ended.append(order)
        self.latest = max(self.latest, now)
        return ended

    def next_end(self) -> float | None:
        """When the next order ends by itself."""
        due = self._next_due()
        return due[0] if due else None

    def active(self) -> Iterator[Order]:
        """Orders that are billing."""
        yield from tuple(self._active.values())

    def order_on(self, server_id: int) -> Order | None:
        """The active order that holds a server."""
        return next((order for order in self.active() if order.server_id == server_id), None)

    def account_of(self, digest: str) -> tuple[Account, str] | None:
        """The account and the name of the key with this SHA-256."""
        for account in self.accounts.values():
            for name, known in account.keys.items():
                if known == digest:
                    return account, name
        return None

    def balance(self, account: Account, currency: str, moment: float) -> Decimal:
        """What a wallet holds after every charge up to a moment."""
        running = sum(
            (order.cost(moment) for order in self._billing(account.name, currency)), Decimal(0)
        )
        paid = account.closed_cost.get(currency, Decimal(0)) + running
        return account.deposits[currency] - paid

    def _billing(self, account: str, currency: str) -> list[Order]:
        return [
            order
            for order in self._active.values()
            if order.account == account and order.currency == currency
        ]

    def _next_due(self) -> tuple[int, list[Order], EndReason] | None:
        dues: list[tuple[int, list[Order], EndReason]] = [
            (order.term_end, [order], "term_over") for order in self._active.values()
        ]
        for name, currency in {(order.account, order.currency) for order in self._active.values()}:
            orders = self._billing(name, currency)
            dues.append((self._dry_at(self.accounts[name], currency, orders), orders, "wallet_dry"))
        return min(dues, key=lambda due: due[0], default=None)

    def _dry_at(self, account: Account, currency: str, orders: list[Order]) -> int:
        """The first second that the wallet cannot pay for all of these orders."""
        since = max(int(self.latest), *(order.ct for order in orders))
        burn = sum((order.burn_per_day() for order in orders), Decimal(0))
        left = self.balance(account, currency, since)
        if burn <= 0:
            return max(order.term_end for order in orders)
        second = since + max(0, int(left * money.SECONDS_PER_DAY / burn))
        while self.balance(account, currency, second + 1) >= 0:
            second += 1
        while second > since and self.balance(account, currency, second) < 0:
            second -= 1
        return second

    def _end(self, order: Order, at: float, by: str, reason: EndReason, visible_at: float) -> None:
        order.ended_at, order.ended_by, order.end_reason = at, by, reason
        order.end_visible_at = visible_at
        account = self.accounts[order.account]
        paid = account.closed_cost.get(order.currency, Decimal(0))
        account.closed_cost[order.currency] = paid + order.cost(at)
        self._active.pop(order.id, None)

    def _opened(self, event: dict[str, Any]) -> None:
        self.opened_at, self.seed = float(event["at"]), int(event["seed"])

    def _account(self, event: dict[str, Any]) -> None:
        deposits = {name: Decimal(amount) for name, amount in event["deposits"].items()}
        self.accounts[event["name"]] = Account(event["name"], deposits, dict(event["addresses"]))

    def _key(self, event: dict[str, Any]) -> None:
        keys = self.accounts[event["account"]].keys
        if event["digest"] is None:
            keys.pop(event["name"], None)
        else:
            keys[event["name"]] = event["digest"]

    def _wallet(self, event: dict[str, Any]) -> None:
        account, currency = self.accounts[event["account"]], event["currency"]
        change = Decimal(event["balance"]) - self.balance(account, currency, event["at"])
        account.deposits[currency] += change

    def _order(self, event: dict[str, Any]) -> None:
        fields = {key: value for key, value in event.items() if key not in {"kind", "at"}}
        order = Order(created_at=float(event["at"]), **{**fields, "price": Decimal(event["price"])})
        self.orders[order.id] = self._active[order.id] = order

    def _address(self, event: dict[str, Any]) -> None:
        self.orders[event["order_id"]].address = event["address"]

    def _host_lost(self, event: dict[str, Any]) -> None:
        self.orders[event["order_id"]].host_lost_at = event["at"]

    def _repriced(self, event: dict[str, Any]) -> None:
        order = self.orders[event["order_id"]]
        price = Decimal(event["price"])
        order.repriced.append((order.seconds(event["at"]), order.price))
        if price < order.price:
            order.lowered_at = event["at"]
        order.price = price

    def _ended(self, event: dict[str, Any]) -> None:
        order = self.orders[event["order_id"]]
        if order.active:
            self._end(order, event["at"], event["by"], event["reason"], event["visible_at"])

    def _server(self, event: dict[str, Any]) -> None:
        self.servers.setdefault(event["server_id"], {}).update(event["change"])

    def _request(self, event: dict[str, Any]) -> None:
        fields = {key: value for key, value in event.items() if key != "kind"}
        self.requests.append(RequestEntry(**{**fields, "faults": tuple(event.get("faults", ()))}))
