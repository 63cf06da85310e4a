"""Strict reading of POST bodies: an unknown field or a wrong type is code 2."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from .money import CURRENCIES, OrderType

LONGEST_SSH_KEY: Final = 3072
LONGEST_PASSWORD: Final = 32
LONGEST_ISSUE: Final = 2048
"""Characters; limits that clients of Clore report."""
LAST_PORT: Final = 65535


class InvalidInput(Exception):
    """Code 2; the text is for the emulator's own log, Clore explains nothing."""


@dataclass(frozen=True)
class CreateOrder:
    """A valid `create_order` body."""

    currency: str
    image: str
    server_id: int
    type: OrderType
    required_price: Decimal | None
    spot_price: Decimal | None
    request: dict[str, Any]
    """Everything the host side needs: image, ports, env, command, access."""

    @property
    def has_ampersand(self) -> bool:
        """`&` in a value of the environment, which Clore answers with a database error."""
        return any("&" in value for value in self.request["env"].values())


def _text(value: object) -> bool:
    return isinstance(value, str)


def _short(limit: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and len(value) <= limit


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value > 0
    )


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _ports(value: object) -> bool:
    return (
        isinstance(value, dict)
        and all(key.isascii() and key.isdigit() and 1 <= int(key) <= LAST_PORT for key in value)
        and all(kind in ("tcp", "http") for kind in value.values())
        and sum(kind == "http" for kind in value.values()) <= 1
    )


def _environment(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


_CREATE: Final[dict[str, Callable[[object], bool]]] = {
    "currency": lambda value: value in CURRENCIES,
    "image": lambda value: isinstance(value, str) and bool(value),
    "renting_server": _whole,
    "type": lambda value: value in ("on-demand", "spot"),
    "ports": _ports,
    "env": _environment,
    "jupyter_token": _short(LONGEST_PASSWORD),
    "ssh_password": _short(LONGEST_PASSWORD),
    "ssh_key": _short(LONGEST_SSH_KEY),
    "command": _text,
    "required_price": _number,
    "autossh_entrypoint": _flag,
    "spotprice": _number,
    "remember_password": _flag,
    "dockerhub_auth": _text,
}
_REQUIRED: Final = ("currency", "image", "renting_server", "type")


def read_create(body: object) -> CreateOrder:
    """Read a `create_order` body; raises InvalidInput."""
    fields = _checked(body, _CREATE, _REQUIRED)
    if (fields["type"] == "spot") != ("spotprice" in fields):
        message = "spotprice belongs to orders of type spot, and to these only"
        raise InvalidInput(message)
    return CreateOrder(
        currency=fields["currency"],
        image=fields["image"],
        server_id=fields["renting_server"],
        type=fields["type"],
        required_price=_decimal(fields.get("required_price")),
        spot_price=_decimal(fields.get("spotprice")),
        request={
            "image": fields["image"],
            "ports": fields.get("ports", {}),
            "env": fields.get("env", {}),
            "command": fields.get("command", ""),
            "ssh_key": fields.get("ssh_key", ""),
            "ssh_password": fields.get("ssh_password", ""),
            "jupyter_token": fields.get("jupyter_token", ""),
            "autossh_entrypoint": fields.get("autossh_entrypoint", False),
        },
    )


def read_cancel(body: object) -> int:
    """Read a `cancel_order` body: the order's id, which may be a string."""
    fields = _checked(
        body, {"id": lambda value: _whole(value) or _digits(value), "issue": _short(LONGEST_ISSUE)},
        ("id",),
    )  # fmt: skip
    return int(fields["id"])


def read_spot_price(body: object) -> tuple[int, Decimal]:
    """Read a `set_spot_price` body: order id and the new bid per day."""
    names = ("order_id", "desired_price")
    fields = _checked(body, {"order_id": _whole, "desired_price": _number}, names)
    return fields["order_id"], Decimal(str(fields["desired_price"]))


def _checked(
    body: object, allowed: dict[str, Callable[[object], bool]], required: tuple[str, ...]
) -> dict[str, Any]:
    if not isinstance(body, dict):
        message = f"the body is {type(body).__name__}, not an object"
        raise InvalidInput(message)
    unknown = sorted(set(body) - set(allowed))
    missing = [name for name in required if name not in body]
    wrong = [name for name in body if name in allowed and not allowed[name](body[name])]
    if unknown or missing or wrong:
        message = f"unknown fields {unknown}, missing {missing}, wrong {wrong}"
        raise InvalidInput(message)
    return body


def _digits(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit()


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))
