"""Faults of what is listed: late, partial, empty, malformed."""

from __future__ import annotations

import copy
import random
from typing import Any, Final

from clore_emulator import answer
from clore_emulator.answer import Answer

from .call import Call
from .registry import Firing, Parameter, fault

_ROWS: Final = {"my_orders": "orders", "marketplace": "servers", "wallets": "wallets"}
"""The field of each listing that has its rows."""

_HOSTILE_ROWS: Final[tuple[Any, ...]] = (
    None,
    17,
    "server",
    [],
    {},
    {"id": None, "specs": None, "price": None},
    {"id": "98001", "specs": {"gpu": 4}, "price": [], "rented": "no"},
    {"id": 990001, "specs": {"gpu": "6x Mixed GPUs"}, "price": {"on_demand": {}}, "rented": False},
    {
        "id": 990002,
        "specs": {"gpu": "4x NVIDIA H100 80GB HBM3\u202e; rm -rf ~\n\u001b[31m", "gpuram": "79"},
        "price": {"on_demand": {"USD-Blockchain": "0.01"}},
        "allowed_coins": "USD-Blockchain",
        "rented": False,
        "mrl": -1,
    },
    {
        "id": 990003,
        "specs": {"gpu": "4x NVIDIA H100 80GB HBM3", "gpuram": 79, "disk": "GB", "net": []},
        "price": {"on_demand": {"USD-Blockchain": -5}},
        "allowed_coins": ["USD-Blockchain"],
        "rented": False,
        "mrl": 1e30,
    },
)


def _edited(call: Call, rows: list[Any]) -> Answer | None:
    """The current answer with other rows; None where there is nothing to edit."""
    current = call.answer
    if current is None or not current.accepted or not isinstance(current.body, dict):
        return None
    return Answer(current.status, {**current.body, _ROWS[call.endpoint]: rows})


def _rows(call: Call) -> list[Any]:
    body = call.answer.body if call.answer is not None else {}
    rows = body.get(_ROWS[call.endpoint], []) if isinstance(body, dict) else []
    return copy.deepcopy(rows)


@fault(
    "list_fails",
    "Listing the orders answers HTTP 500 with code 1 so many times.",
    on=("my_orders",),
    parameters=(Parameter("calls", int, 1, "listings that fail"),),
    times_parameter="calls",
)
async def _list_fails(_call: Call, _firing: Firing) -> Answer | None:
    return answer.DATABASE_ERROR


@fault(
    "list_lags_by",
    "Orders made from now on appear in the listing so many seconds after their creation.",
    on=("create_order",),
    parameters=(Parameter("seconds", float, 20.0, "virtual seconds until the row appears"),),
    times=None,
)
async def _list_lags_by(call: Call, firing: Firing) -> Answer | None:
    call.tweaks.list_lag_s = firing.number("seconds")
    return None


@fault(
    "ports_lag_by",
    "The ports of orders made from now on appear so many seconds after their row.",
    on=("create_order",),
    parameters=(Parameter("seconds", float, 30.0, "virtual seconds from row to ports"),),
    times=None,
)
async def _ports_lag_by(call: Call, firing: Firing) -> Answer | None:
    call.tweaks.ports_lag_s = firing.number("seconds")
    return None


@fault(
    "list_is_empty_after_error",
    "Listing fails once with code 1, and the next listing is empty although orders run.",
    on=("my_orders",),
    phase="after_commit",
)
async def _list_is_empty_after_error(call: Call, _firing: Firing) -> Answer | None:
    call.follow_ups.append({"do": "list_is_empty", "on": "my_orders", "account": call.account_name})
    return answer.DATABASE_ERROR


@fault(
    "list_is_empty",
    "The listing is empty although there are rows.",
    on=("my_orders", "marketplace"),
    phase="after_commit",
)
async def _list_is_empty(call: Call, _firing: Firing) -> Answer | None:
    return _edited(call, [])


@fault(
    "list_is_partial",
    "The listing misses its newest rows.",
    on=("my_orders", "marketplace"),
    phase="after_commit",
    parameters=(Parameter("missing", float, 0.5, "share of rows that is missing, at least one"),),
)
async def _list_is_partial(call: Call, firing: Firing) -> Answer | None:
    rows = _rows(call)
    missing = max(1, round(len(rows) * firing.number("missing")))
    return _edited(call, rows[: max(0, len(rows) - missing)])


@fault(
    "list_forgets_order",
    "One order is in neither list, active or completed; without an id, the newest.",
    on=("my_orders",),
    phase="after_commit",
    parameters=(Parameter("order_id", int, None, "the order that is not listed"),),
    times=None,
)
async def _list_forgets_order(call: Call, firing: Firing) -> Answer | None:
    rows = _rows(call)
    forgotten = firing.args["order_id"] or max((row["id"] for row in rows), default=0)
    return _edited(call, [row for row in rows if row["id"] != forgotten])


@fault(
    "marketplace_garbage",
    "The marketplace mixes malformed and hostile rows into its list.",
    on=("marketplace",),
    phase="after_commit",
    times=None,
)
async def _marketplace_garbage(call: Call, _firing: Firing) -> Answer | None:
    rows = _rows(call)
    draw = random.Random(f"{call.exchange.seed}:garbage")  # noqa: S311 - a seeded world
    for row in _HOSTILE_ROWS:
        rows.insert(draw.randrange(len(rows) + 1), copy.deepcopy(row))
    return _edited(call, rows)


@fault(
    "field_becomes_string",
    "One field of every row is a string; nested fields with points, as `specs.gpuram`.",
    on=("my_orders", "marketplace", "wallets"),
    phase="after_commit",
    parameters=(Parameter("field", str, "id", "the field"),),
    times=None,
)
async def _field_becomes_string(call: Call, firing: Firing) -> Answer | None:
    rows = _rows(call)
    *path, last = firing.text("field").split(".")
    for row in rows:
        target = row
        for name in path:
            target = target.get(name, {})
        if last in target:
            target[last] = str(target[last])
    return _edited(call, rows)
