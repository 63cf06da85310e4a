"""A marketplace in memory with a ledger that is the judge; knows nothing of the protocol.

It stands where the HTTP transport stands, answers in the recorded shapes, and can misbehave: a
queue of faults per endpoint, listing lags, strangers, and prices that move.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from clore_inference.market.transport import Call, Raw, Unsent

from .fake_clock import FakeClock
from .server_row import server_row

ANSWER_S = 0.15
"""How long an answer takes."""
OPERATOR = "operator"
STRANGER = "stranger"

LISTING_FAULTS: dict[str, tuple[int, Any] | Unsent] = {
    "fails": (500, {"code": 1}),
    "drop": Unsent("no answer (ConnectionError)"),
    "garbage": (200, '{"orders": [{"id": 1'),
    "limited": (429, {"code": 5}),
    "revoked": (200, {"code": 3}),
    "empty_after_error": (500, {"code": 1}),
}
NOTHING_DONE: dict[str, tuple[int, Any] | Unsent] = {
    "drop_before": Unsent("no answer (ConnectionError)"),
    "limited": (429, {"code": 5}),
    "offline": (200, {"error": "server-offline", "code": 6}),
}
CREATE_FAULTS: dict[str, tuple[int, Any] | Unsent] = {
    "drop_after": Unsent("no answer in time"),
    "code1_after": (500, {"code": 1}),
    "limited_after": (429, {"code": 5}),
    "html_after": (502, {}),
}


@dataclass
class LedgerOrder:
    """One order as it really is."""

    id: int
    server_id: int
    owner: str
    image: str
    ports: dict[str, str]
    price: float
    created: float
    visible: float
    ports_at: float
    mrl_s: float
    currency: str = "USD-Blockchain"
    type: str = "on-demand"
    usd_per_day: Decimal = Decimal(0)
    """What a day really costs: with the fee and the rate of the moment in which it was sold."""
    fee: float = 0.0
    """The renter's fee a day, native; shown in the row only where the market shows fees."""
    made_by: str = "api"
    ended: float | None = None
    end_visible: float = 0.0
    ended_by: str = ""

    def active(self, now: float) -> bool:
        return self.ended is None and now < self.created + self.mrl_s


@dataclass
class MarketDouble:
    """The marketplace; plugs in where the transport goes."""

    clock: FakeClock
    servers: dict[int, dict[str, Any]] = field(default_factory=dict)
    orders: list[LedgerOrder] = field(default_factory=list)
    balance: float = 500.0
    deposit: str = "usd1operator"
    list_lag_s: float = 1.0
    ports_lag_s: float = 3.0
    end_lag_s: float = 0.0
    server_clock_skew_s: float = 7.0
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    calls: list[tuple[float, str]] = field(default_factory=list)
    creates: list[dict[str, Any]] = field(default_factory=list)
    create_outcomes: list[tuple[float, frozenset[str], bool]] = field(default_factory=list)
    step: Callable[[str], None] = lambda _: None
    before_create: Callable[[], None] | None = None
    echo_ports: bool = True
    usd_rates: dict[str, float] = field(
        default_factory=lambda: {"USD-Blockchain": 1.0, "bitcoin": 67500.0}
    )
    fee_shares: dict[str, float] = field(
        default_factory=lambda: {"on-demand": 0.05, "spot": 0.0125}
    )
    shows_fee: bool = False
    bids: dict[int, float] = field(default_factory=dict)
    """Strangers' spot bids, by server."""
    violations: int = 0
    next_id: int = 1_900_001

    def __post_init__(self) -> None:
        if not self.servers:
            self.servers = {one["id"]: one for one in (server_row(101, 40), server_row(102, 42.5))}
            self.servers |= {one["id"]: one for one in (server_row(103, 44), server_row(104, 45))}

    @property
    def now(self) -> float:
        """The marketplace's clock, which is not ours."""
        return self.clock.now() + self.server_clock_skew_s

    def send(self, call: Call, *, timeout_s: float | None = None) -> Raw | Unsent:
        name = self._name(call)
        posts = call.method == "POST"
        self.step(f"{'post' if posts else 'get'} {name}")
        self._judge_pace(name)
        fault = self.faults[name].pop(0) if self.faults[name] else ""
        self.clock.time += ANSWER_S
        answer = getattr(self, f"_{call.path.strip('/')}")(call, fault)
        if posts:
            self.step(f"posted {name}")
        return answer if isinstance(answer, Unsent) else self._raw(*answer)

    def _name(self, call: Call) -> str:
        if call.query and call.query.get("return_completed") == "true":
            return "completed"
        return call.path.strip("/")

    def _judge_pace(self, name: str) -> None:
        now = self.clock.now()
        if self.calls and now - self.calls[-1][0] < 1:
            self.violations += 1
        creates = [at for at, what in self.calls if what == "create_order"]
        if name == "create_order" and creates and now - creates[-1] < 5:
            self.violations += 1
        self.calls.append((now, name))

    def _raw(self, status: int, body: Any) -> Raw:
        text = body if isinstance(body, str) else json.dumps(body)
        return Raw(status, text, float(int(self.now)))

    def _listing_fault(self, fault: str, name: str) -> tuple[int, Any] | Unsent | None:
        if fault == "empty_after_error":
            self.faults[name].insert(0, "empty")
        return LISTING_FAULTS.get(fault)

    def _wallets(self, call: Call, fault: str) -> tuple[int, Any] | Unsent:
        rows = [
            {"name": "bitcoin", "deposit": f"bc1{self.deposit}", "balance": 0.0},
            {"name": "USD-Blockchain", "deposit": self.deposit, "balance": self.balance},
        ]
        return self._listing_fault(fault, "wallets") or (200, {"wallets": rows, "code": 0})

    def _marketplace(self, call: Call, fault: str) -> tuple[int, Any] | Unsent:
        rows = [
            {**row, "rented": row["rented"] or self.order_on(server_id) is not None}
            for server_id, row in self.servers.items()
        ]
        return self._listing_fault(fault, "marketplace") or (200, {"servers": rows, "code": 0})

    def order_on(self, server_id: int) -> LedgerOrder | None:
        now = self.now
        held = (one for one in self.orders if one.server_id == server_id and one.active(now))
        return next(held, None)

    def _my_orders(self, call: Call, fault: str) -> tuple[int, Any] | Unsent:
        completed = self._name(call) == "completed"
        failed = self._listing_fault(fault, self._name(call))
        if failed is not None:
            return failed
        rows = [self._row(one) for one in self.orders if self._is_listed(one, completed=completed)]
        if fault == "empty":
            rows = []
        return 200, {"orders": rows, "limit": 999999, "code": 0}

    def _is_listed(self, order: LedgerOrder, *, completed: bool) -> bool:
        if order.owner != OPERATOR or self.now < order.visible:
            return False
        return completed or not self._shows_end(order)

    def _shows_end(self, order: LedgerOrder) -> bool:
        if order.ended is None:
            return self.now >= order.created + order.mrl_s
        return self.now >= order.end_visible

    def _row(self, order: LedgerOrder) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": order.id,
            "creation_fee": 0.1,
            "price": order.price,
            "mrl": order.mrl_s,
            "image": order.image,
            "currency": order.currency,
            "spend": order.price * max(0.0, self.now - order.created) / 86400,
            "ct": int(order.created),
            "specs": self.servers[order.server_id]["specs"],
            "si": order.server_id,
            "mon_container": 2,
            "online": True,
            "tcp_ports": [],
            "owner": 7,
        }
        if self.shows_fee:
            row["fee"] = order.fee
        if order.type == "spot":
            row["spot"] = True
        if self._shows_end(order):
            return {**row, "expired": True, "order_end": int(order.ended or self.now)}
        if self.now >= order.ports_at:
            tcp = [port for port, kind in order.ports.items() if kind == "tcp"]
            if not self.echo_ports:
                tcp = [port for port in tcp if port == "22"]
            row["pub_cluster"] = ["n1.us.clorecloud.net"]
            row["tcp_ports"] = [f"{port}:{1200 + n}" for n, port in enumerate(tcp)]
            row["http_port"] = "8000"
            row["http_pub"] = f"x{order.id}.us.clorecloud.net"
        return row

    def _create_order(self, call: Call, fault: str) -> tuple[int, Any] | Unsent:
        body = dict(call.body or {})
        self.creates.append(body)
        if self.before_create is not None:
            self.before_create()
        answer = self._create(body, fault)
        refused = not isinstance(answer, Unsent) and answer[1].get("code") == 6
        marks = frozenset(port for port in body["ports"] if int(port) >= 20000)
        self.create_outcomes.append((self.clock.now(), marks, refused))
        return answer

    def _create(self, body: dict[str, Any], fault: str) -> tuple[int, Any] | Unsent:
        server_id = body["renting_server"]
        if fault in NOTHING_DONE:
            return NOTHING_DONE[fault]
        if self.order_on(server_id) is not None:
            return 200, {"status": "error", "error": "server-already-rented", "code": 6}
        price = self._price(body, server_id)
        if price is None:
            return 200, {"code": 2}
        if body.get("required_price", price) != price and fault != "price_lies":
            return 500, {"code": 1}
        self.add_order(body, server_id, price * (1.5 if fault == "price_lies" else 1))
        return CREATE_FAULTS.get(fault, (200, {"code": 0}))

    def _price(self, body: dict[str, Any], server_id: int) -> float | None:
        """What the order will cost: its bid, or the listed price; None for a bid too low."""
        prices, currency = self.servers[server_id]["price"], body["currency"]
        if body["type"] == "on-demand":
            return float(prices["on_demand"][currency])
        bid = float(body["spotprice"])
        return bid if bid >= prices["spot"][currency] else None

    def add_order(self, body: dict[str, Any], server_id: int, price: float) -> LedgerOrder:
        currency, kind = body.get("currency", "USD-Blockchain"), body.get("type", "on-demand")
        fee = price * self.fee_shares[kind]
        order = LedgerOrder(
            self.next_id,
            server_id,
            OPERATOR,
            body["image"],
            dict(body["ports"]),
            price,
            self.now,
            self.now + self.list_lag_s,
            self.now + self.list_lag_s + self.ports_lag_s,
            self.servers[server_id]["mrl"] * 3600,
            currency,
            kind,
            (Decimal(str(price)) + Decimal(str(fee))) * Decimal(str(self.usd_rates[currency])),
            fee,
        )
        self.next_id += 1
        self.orders.append(order)
        return order

    def human_rents(self, server_id: int, image: str, *, ports: bool = True) -> LedgerOrder:
        """The account's owner rents something by hand."""
        order = self.add_order(
            {"image": image, "ports": {"22": "tcp", "8000": "http"}}, server_id, 40
        )
        order.made_by = "human"
        order.visible = order.ports_at = self.now
        if not ports:
            order.ports_at = float("inf")
        return order

    def end(self, order: LedgerOrder, by: str) -> None:
        """End an order."""
        if order.ended is None:
            order.ended = self.now
            order.end_visible = self.now + self.end_lag_s
            order.ended_by = by

    def outbid(self, order: LedgerOrder, bid: float) -> None:
        """A stranger bids more and gets the server."""
        self.end(order, "stranger")
        self.bids[order.server_id] = bid
        self.servers[order.server_id]["rented"] = True

    def _spot_marketplace(self, call: Call, fault: str) -> tuple[int, Any] | Unsent:
        server_id = int((call.query or {})["market"])
        failed = self._listing_fault(fault, "spot_marketplace")
        if failed is not None or server_id not in self.servers:
            return failed or (200, {"exists": False, "code": 0})
        bid = self.bids.get(server_id)
        offers = [{"offer_id": 1, "bid": bid, "active": True, "my": False}] if bid else []
        market = {
            "currency_rates_in_usd": self.usd_rates,
            "offers": offers,
            "server": {"min_pricing": self.servers[server_id]["price"]["spot"], "online": True},
        }
        return 200, {"code": 0, "market": market, "exists": True}

    def _cancel_order(self, call: Call, fault: str) -> tuple[int, Any] | Unsent:
        order_id = (call.body or {})["id"]
        order = next((one for one in self.orders if one.id == order_id), None)
        if fault == "fails":
            return 500, {"code": 1}
        if fault == "lies":
            return 200, {"code": 0}
        if order is None:
            return 200, {"code": 6, "error": "order-not-found"}
        self.end(order, "api")
        if fault == "drop_after":
            return Unsent("no answer in time")
        return (500, {"code": 1}) if fault == "fails_applied" else (200, {"code": 0})

    def active(self) -> list[LedgerOrder]:
        """What really bills, of what was made over the API."""
        return [one for one in self.orders if one.active(self.now) and one.made_by == "api"]

    def strangers_cancelled(self) -> list[LedgerOrder]:
        """What a human made and the API ended."""
        return [one for one in self.orders if one.made_by == "human" and one.ended_by == "api"]
