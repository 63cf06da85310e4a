"""Rows as the API shows them; shapes recorded from the real API in 2026.

An order never echoes its environment, command or requested ports, only the public side of its TCP
ports (`"22:1972"`); there is no status word.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Literal

from . import money
from .ledger import Account, Ledger, Order
from .market import Market

PUBLIC_HOST: Final = "127.0.0.1"
"""Stands for the relay's host name; a loopback literal, so that clients may speak plain http."""
LIMIT: Final = 999999
"""The account's maximum, as recorded; not a page size."""

MonContainer = Literal[0, 1, 2]


def server_row(market: Market, ledger: Ledger, server_id: int) -> dict[str, Any]:
    """A server as `GET /v1/marketplace` lists it."""
    return {**market.rows[server_id], "rented": is_rented(market, ledger, server_id)}


def is_rented(market: Market, ledger: Ledger, server_id: int) -> bool:
    """Rented in the snapshot, by a stranger since, or by an order of ours."""
    change = ledger.servers.get(server_id, {})
    by_others = change.get("rented", market.rows[server_id].get("rented", False))
    return bool(by_others) or ledger.order_on(server_id) is not None


def wallet_rows(ledger: Ledger, account: Account, now: float) -> list[dict[str, Any]]:
    """The wallets as `GET /v1/wallets` lists them."""
    return [
        {
            "name": currency,
            "deposit": account.addresses[currency],
            "balance": float(max(Decimal(0), ledger.balance(account, currency, now))),
            "withdrawal_fee": float(money.native(Decimal("6.8"), currency)),
        }
        for currency in account.deposits
    ]


def is_listed(order: Order, now: float) -> bool:
    """Whether the listing has caught up with the creation."""
    return now >= order.visible_at


def shows_as_closed(order: Order, now: float) -> bool:
    """Whether the listing has caught up with the end."""
    return order.end_visible_at is not None and now >= order.end_visible_at


def order_row(order: Order, now: float, *, offline: bool) -> dict[str, Any]:
    """An order as `GET /v1/my_orders` lists it, active or closed."""
    row = {
        "id": order.id,
        "creation_fee": float(money.creation_fee(order.currency)),
        "price": _plain(order.price),
        "mrl": order.mrl_s,
        "image": order.request["image"],
        "currency": order.currency,
        "spend": float(order.spend(now)),
        "ct": order.ct,
        "specs": order.server["specs"],
        "si": order.server_id,
        "mon_container": mon_container(order, now),
        "online": not offline,
        "tcp_ports": [],
        "rating": order.server["rating"],
        "reliability": order.server["reliability"],
        "owner": order.server["owner"],
        "cuda_version": order.server["cuda_version"],
        "gpu_array": order.server["gpu_array"],
        "gpu_count": len(order.server["gpu_array"]),
        "total_gpus": len(order.server["gpu_array"]),
    }
    if order.type == "spot":
        row["spot"] = True
    if shows_as_closed(order, now) and order.ended_at is not None:
        return {**row, "online": True, "expired": True, "order_end": int(order.ended_at)}
    if order.address is not None and now >= order.ports_at:
        row.update(_ports(order, order.address))
    return row


def mon_container(order: Order, now: float) -> MonContainer:
    """0 waiting, 1 deploying, 2 deployed; it lags behind what SSH already shows."""
    if not order.truth.get("deploys", True):
        return 1 if now >= order.ports_at else 0
    if now >= order.deployed_at:
        return 2
    return 1 if now >= order.ports_at else 0


def _ports(order: Order, address: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "pub_cluster": [PUBLIC_HOST],
        "tcp_ports": [f"{inside}:{public}" for inside, public in address["relay"].items()],
    }
    http = [port for port, kind in order.request["ports"].items() if kind == "http"]
    if http and address.get("http") is not None:
        fields["http_port"] = http[0]
        fields["http_pub"] = f"{PUBLIC_HOST}:{address['http']}"
    return fields


def _plain(amount: Decimal) -> int | float:
    """Whole prices are shown without a point."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def spot_market(market: Market, ledger: Ledger, server_id: int, account: str) -> dict[str, Any]:
    """The bids on one server, as `GET /v1/spot_marketplace` shows them."""
    row = market.rows[server_id]
    order = ledger.order_on(server_id)
    offers = []
    if order is not None and order.type == "spot":
        mine = order.account == account
        offers = [{"offer_id": order.id, "bid": float(order.price), "active": True, "my": mine}]
    elif bid := ledger.servers.get(server_id, {}).get("bid"):
        offers = [{"offer_id": server_id, "bid": float(bid), "active": True, "my": False}]
    return {
        "currency_rates_in_usd": {name: float(rate) for name, rate in money.USD_RATES.items()},
        "offers": offers,
        "server": {
            "min_pricing": row["price"]["spot"],
            "mrl": int(row["mrl"]) * 3600,
            "visibility": "public",
            "online": server_id not in market.offline,
        },
    }
