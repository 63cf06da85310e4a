"""The judge's view of a ledger, as `GET /_admin/ledger` answers it (shape: docs/emulator.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Final

from clore_emulator import money

from .book import Ledger
from .entry import Account, Order, RequestEntry

DIGITS: Final = 6
"""Decimal places of dollar amounts in the report."""


def report(ledger: Ledger, now: float, *, requests: bool = False) -> dict[str, Any]:
    """Totals, per account and in all; orders; with `requests` every single request."""
    accounts = {name: _account(ledger, account, now) for name, account in ledger.accounts.items()}
    orders = [order_view(order, now) for order in ledger.orders.values()]
    summed = ("requests", "posts", "creates", "cancels", "violations", "foreign_cancels")
    return {
        "now": now,
        "opened_at": ledger.opened_at,
        "seed": ledger.seed,
        "active_orders": [order for order in orders if order["active"]],
        **{name: _count(ledger.requests, name) for name in summed},
        "spent_usd": _sum(accounts, "spent_usd"),
        "burn_usd_per_day": _sum(accounts, "burn_usd_per_day"),
        "accounts": accounts,
        "orders": orders,
        **({"request_log": [asdict(entry) for entry in ledger.requests]} if requests else {}),
    }


def order_view(order: Order, now: float) -> dict[str, Any]:
    """One order for the judge; money in USD, times in virtual unix seconds."""
    rate = money.USD_RATES[order.currency]
    return {
        "id": order.id,
        "server_id": order.server_id,
        "account": order.account,
        "made_by": order.made_by,
        "type": order.type,
        "image": order.request.get("image"),
        "ports": order.request.get("ports", {}),
        "currency": order.currency,
        "usd_per_day": _usd(order.price * rate),
        "usd_per_day_with_fee": _usd(money.with_fee(order.price, order.type) * rate),
        "created_at": order.created_at,
        "term_ends_at": order.term_end,
        "seconds": order.seconds(now),
        "cost_usd": _usd(order.cost(now) * rate),
        "active": order.active,
        "address": order.address,
        "host_lost_at": order.host_lost_at,
        "ended_at": order.ended_at,
        "ended_by": order.ended_by,
        "end_reason": order.end_reason,
    }


def _account(ledger: Ledger, account: Account, now: float) -> dict[str, Any]:
    own = [order for order in ledger.orders.values() if order.account == account.name]
    entries = [entry for entry in ledger.requests if entry.account == account.name]
    names = ("requests", "posts", "creates", "cancels", "violations", "foreign_cancels")
    return {
        **{name: _count(entries, name) for name in names},
        "active_orders": [order.id for order in own if order.active],
        "keys": sorted(account.keys),
        "wallets": {
            currency: float(ledger.balance(account, currency, now)) for currency in account.deposits
        },
        "spent_usd": _usd(
            sum((order.cost(now) * money.USD_RATES[order.currency] for order in own), Decimal(0))
        ),
        "burn_usd_per_day": _usd(
            sum(
                (order.burn_per_day() * money.USD_RATES[order.currency] for order in own),
                Decimal(0),
            )
        ),
    }


def _count(entries: list[RequestEntry], name: str) -> int:
    counted = _COUNTED[name]
    return sum(1 for entry in entries if counted(entry))


_COUNTED: Final[dict[str, Callable[[RequestEntry], bool]]] = {
    "requests": lambda _entry: True,
    "posts": lambda entry: entry.method == "POST" and not entry.path.startswith("/webapi/"),
    "creates": lambda entry: entry.path == "/v1/create_order" and entry.method == "POST",
    "cancels": lambda entry: entry.path == "/v1/cancel_order" and entry.method == "POST",
    "violations": lambda entry: entry.violation,
    "foreign_cancels": lambda entry: entry.foreign,
}


def _usd(amount: Decimal) -> float:
    return round(float(amount), DIGITS)


def _sum(accounts: dict[str, dict[str, Any]], name: str) -> float:
    total: float = sum(account[name] for account in accounts.values())
    return round(total, DIGITS)
