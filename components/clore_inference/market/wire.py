"""What the marketplace answers, as rows; shapes as recorded from the real API in 2024 and 2026.

Servers are strangers' text: a malformed one is skipped and counted. Orders are our money: one
malformed row makes the whole answer unreadable, because a row that is missing looks like an order
that has ended. Source of the shapes: https://docs.clore.ai and published recordings of clients.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, NoReturn

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from clore_inference.market.text import PlainText, plain


class Malformed(Exception):
    """An answer that cannot be read; its text never quotes the body."""


def _number(value: object) -> object:
    if isinstance(value, bool):
        message = "a number, not a boolean"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns only ValueError into a finding
    return value


def _flat(value: object) -> object:
    """Flatten nested lists of names, which some rows have."""
    if not isinstance(value, list):
        return value
    return [part for one in value for part in (one if isinstance(one, list) else [one])]


def _several(value: object) -> object:
    """Accept one name, a list of names, or nothing."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _ended(value: object) -> object:
    """`expired` is a boolean where it is seen; absent and null mean that it is not."""
    return False if value is None else value


def _any_object(value: object) -> object:
    """Accept anything; what is no object says nothing."""
    return value if isinstance(value, dict) else {}


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_number)]
Price = Annotated[int | float, BeforeValidator(_number), Field(allow_inf_nan=False)]
"""Kept as it came: the required price is sent back verbatim."""
Names = Annotated[tuple[PlainText, ...], BeforeValidator(_flat)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Net(_Row):
    """A server's network: Mbit/s and ISO country."""

    up: Number = 0
    down: Number = 0
    cc: PlainText = ""


class Specs(_Row):
    """A server's hardware as advertised."""

    gpu: PlainText
    gpuram: Number = 0
    ram: Number = 0
    disk: PlainText = ""
    disk_speed: Any = None
    """MB/s; unread by anything that chooses, so an odd one spoils no row."""
    net: Net = Net()
    pcie_width: Number = 0
    cpu: PlainText = ""


class Server(_Row):
    """One row of GET /marketplace; prices are per day for the whole server, `mrl` is hours."""

    id: Whole
    rented: bool
    specs: Specs
    mrl: Number = 0
    on_demand: dict[str, Price] = Field(
        default_factory=dict, validation_alias=AliasPath("price", "on_demand")
    )
    usd: dict[str, Any] = Field(default_factory=dict, validation_alias=AliasPath("price", "usd"))
    spot: Annotated[dict[str, Any], BeforeValidator(_any_object)] = Field(
        default_factory=dict, validation_alias=AliasPath("price", "spot")
    )
    """The least bids; unread by an on-demand order, so an odd one spoils no row."""
    reliability: Number = 0
    allowed_coins: tuple[PlainText, ...] = ()
    cuda_version: PlainText | None = None
    gpu_array: Names = ()
    partial_gpu_rental: Any = None


class Order(_Row):
    """One row of GET /my_orders; `mrl` is seconds, `price` per day in `currency`."""

    id: Whole
    server_id: Whole | None = Field(default=None, validation_alias="si")
    created_at: Number | None = Field(default=None, validation_alias="ct")
    term_s: Number | None = Field(default=None, validation_alias="mrl")
    image: str | None = None
    price: Number | None = None
    currency: PlainText | None = None
    creation_fee: Number | None = None
    fee: Number | None = None
    spend: Number | None = None
    tcp_ports: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    http_port: int | str | None = None
    http_pub: PlainText | None = None
    pub_cluster: Annotated[tuple[PlainText, ...], BeforeValidator(_several)] = ()
    mon_container: Whole | None = None
    online: bool | None = None
    """The server's connectivity by the marketplace; None where the row does not say."""
    expired: Annotated[bool, BeforeValidator(_ended)] = False
    order_end: Number | None = None
    original_price_usd: Number | None = None
    spot: Any = None
    """True for an order that can be outbid; seen by some clients only, so nothing rests on it."""
    specs: dict[str, Any] = Field(default_factory=dict)

    @property
    def closed(self) -> bool:
        """Whether the row itself says that the order has ended."""
        return self.expired or bool(self.order_end)

    @property
    def ends_at(self) -> float | None:
        """Unix seconds of the marketplace at which the term is over."""
        if self.created_at is None or self.term_s is None:
            return None
        return self.created_at + self.term_s

    def over(self, server_time: float | None) -> bool:
        """Whether its term has passed by the marketplace's own clock."""
        end = self.ends_at
        return end is not None and server_time is not None and server_time > end

    @property
    def ports(self) -> dict[int, int]:
        """Container port to public port of every TCP relay."""
        return dict(_port_pair(text) for text in self.tcp_ports)

    @property
    def advertised(self) -> Specs | None:
        """The hardware as advertised; None where the row does not say it readably."""
        try:
            return Specs.model_validate(self.specs)
        except ValidationError:
            return None

    @property
    def down_mbps(self) -> float:
        """The link as advertised; 0 where the row does not say it."""
        specs = self.advertised
        return specs.net.down if specs is not None else 0.0


class Wallet(_Row):
    """One row of GET /wallets; some have no balance."""

    name: PlainText
    deposit: str | None = None
    balance: Price | None = None


@dataclass(frozen=True)
class ServerList:
    """The market: every readable row, and how many were not."""

    servers: tuple[Server, ...]
    malformed: int


def as_amount(value: object) -> int | float | None:
    """Return an amount of an unchecked field as it came; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return value


def _port_pair(text: str) -> tuple[int, int]:
    inside, _, public = text.partition(":")
    return int(inside), int(public)


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def body_of(text: str) -> dict[str, Any]:
    """Return the JSON object of an answer, or raise Malformed."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        message = f"no JSON in {len(text)} characters"
        raise Malformed(message) from None
    if not isinstance(value, dict):
        message = f"a JSON {type(value).__name__} instead of an object"
        raise Malformed(message)
    return value


def _rows_of(body: Mapping[str, Any], name: str) -> list[Any]:
    rows = body.get(name)
    if not isinstance(rows, list):
        message = f"no list `{name}`"
        raise Malformed(message)
    return rows


def servers_of(body: Mapping[str, Any]) -> ServerList:
    """Read GET /marketplace; malformed rows are counted, never fatal."""
    readable: list[Server] = []
    malformed = 0
    for row in _rows_of(body, "servers"):
        try:
            readable.append(Server.model_validate(row))
        except ValidationError:
            malformed += 1
    return ServerList(tuple(readable), malformed)


def orders_of(body: Mapping[str, Any]) -> tuple[Order, ...]:
    """Read GET /my_orders; one malformed row makes the listing unreadable."""
    return tuple(_order(row) for row in _rows_of(body, "orders"))


def _order(row: object) -> Order:
    try:
        order = Order.model_validate(row)
        _check_ports(order.ports)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(plain(str(part)) for part in first["loc"]) or "row"
        message = f"an order row whose `{where}` cannot be read"
        raise Malformed(message) from None
    except ValueError:
        message = "an order row whose `tcp_ports` cannot be read"
        raise Malformed(message) from None
    return order


def _check_ports(ports: Mapping[int, int]) -> None:
    for port in (*ports.keys(), *ports.values()):
        if not 0 < port <= 65535:
            raise ValueError(port)


def wallets_of(body: Mapping[str, Any]) -> tuple[Wallet, ...]:
    """Read GET /wallets; it must be whole, it decides whose account this is."""
    try:
        return tuple(Wallet.model_validate(row) for row in _rows_of(body, "wallets"))
    except ValidationError:
        message = "a wallet row that cannot be read"
        raise Malformed(message) from None
