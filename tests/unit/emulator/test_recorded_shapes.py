"""The emulator's rows have the fields and types of rows recorded from the real API in 2026.

Sources: an order listed in July 2026, published in a public repository of a Clore user; the server
row in the test fixtures of Clore's own `clore-ai` package on PyPI; the closed order's fields as a
second user published them. The emulator shares no model with the client: these rows are its judge.
"""

from __future__ import annotations

from typing import Any, Final

from support.emulated import FINE_SERVER, emulated

ACTIVE_ORDER: Final[dict[str, Any]] = {
    "id": 1939941, "creation_fee": 0.1, "price": 2, "mrl": 604800, "image": "name:v1",
    "currency": "USD-Blockchain", "spend": 0.001388888888888889, "ct": 1783703890,
    "specs": {
        "mb": "2129", "cpu": "Intel(R) Xeon(R) CPU E5-2699C v4 @ 2.20GHz", "cpus": "44/88",
        "ram": 128.8107, "gpu": "1x NVIDIA GeForce RTX 3090", "gpuram": 24,
        "disk": "2320 102.4688GB", "disk_speed": 31.54,
        "net": {"up": 29.35, "down": 106.23, "cc": "US", "test_history": ["S|1760764742|52.74|26.21"]},
        "backend_version": 21, "pcie_rev": 3, "pcie_width": 16, "xfs": 1,
    },
    "si": 88028, "mon_container": 0, "online": True, "pub_cluster": ["n1.us.clorecloud.net"],
    "tcp_ports": ["22:1972"], "http_port": "8080", "http_pub": "2q8138x0hvvzh.us.clorecloud.net",
    "rating": {"avg": 4.64, "cnt": 44}, "reliability": 1, "owner": 2288, "cuda_version": "13.0",
    "gpu_array": [" RTX 3090"],
}  # fmt: skip

CLOSED_ORDER_FIELDS: Final = frozenset(
    [
        "creation_fee",
        "ct",
        "cuda_version",
        "currency",
        "expired",
        "gpu_array",
        "gpu_count",
        "id",
        "image",
        "mon_container",
        "mrl",
        "online",
        "order_end",
        "owner",
        "price",
        "rating",
        "reliability",
        "si",
        "specs",
        "spend",
        "tcp_ports",
        "total_gpus",
    ]
)

SERVER: Final[dict[str, Any]] = {
    "id": 99173, "owner": 24169, "autoprice": "usd", "mrl": 720,
    "price": {
        "on_demand": {"bitcoin": 0.0000441, "CLORE-Blockchain": 1108.85, "USD-Blockchain": 3},
        "spot": {"bitcoin": 0.0000441, "CLORE-Blockchain": 1108.85, "USD-Blockchain": 3},
        "usd": {"on_demand_btc": 3.0, "on_demand_clore": 3.0, "on_demand_usd": 3, "spot": 0},
        "original_usd": {
            "CLORE-Blockchain": {"on_demand": 3, "spot": 3}, "bitcoin": {"on_demand": 3, "spot": 3},
        },
    },
    "rented": False,
    "specs": {
        "mb": "TUF GAMING B650-PLUS WIFI", "cpu": "AMD Ryzen 9 7950X 16-Core Processor",
        "cpus": "16/32", "ram": 31.8111, "disk": "KINGSTON SNV2S500G 394.1GB",
        "disk_speed": 1857.97, "gpu": "1x NVIDIA GeForce RTX 4090", "gpuram": 23,
        "net": {"cc": "NO", "down": 875.58, "up": 866.40}, "pcie_rev": 4, "pcie_width": 16,
        "pl": [450], "stock_pl": [450],
    },
    "reliability": 0, "allowed_coins": ["bitcoin", "CLORE-Blockchain", "USD-Blockchain"],
    "rating": {"avg": 0, "cnt": 0}, "gpu_array": ["RTX 4090"], "gigaspot": True,
    "cuda_version": "13.0",
}  # fmt: skip


def differences(recorded: Any, emulated_value: Any, where: str = "") -> list[str]:
    """Where a value lacks a recorded field or has another type; a number is a number."""
    if isinstance(recorded, dict) and isinstance(emulated_value, dict):
        found = [f"{where}.{key} is missing" for key in recorded.keys() - emulated_value.keys()]
        for key in recorded.keys() & emulated_value.keys():
            found += differences(recorded[key], emulated_value[key], f"{where}.{key}")
        return found
    if isinstance(recorded, list) and isinstance(emulated_value, list):
        return differences(recorded[0], emulated_value[0], f"{where}[0]")
    if kind(recorded) == kind(emulated_value):
        return []
    return [f"{where} is {kind(emulated_value)}, recorded as {kind(recorded)}"]


def kind(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


def test_an_active_order_has_every_recorded_field_and_type() -> None:
    with emulated() as market:
        market.buy()
        (row,) = market.orders()
    assert differences(ACTIVE_ORDER, row) == []


def test_a_closed_order_has_exactly_the_recorded_fields() -> None:
    with emulated() as market:
        market.cancel(market.buy())
        (row,) = market.orders(completed=True)
    assert row.keys() == CLOSED_ORDER_FIELDS


def test_a_server_has_every_recorded_field_and_type() -> None:
    with emulated() as market:
        row = market.servers()[FINE_SERVER]
    assert differences(SERVER, row) == []


def test_the_billing_of_a_recorded_order_comes_out_to_the_digit() -> None:
    with emulated() as market:
        market.pause_s = 60
        market.admin("POST", f"/servers/{FINE_SERVER}", {"factor": 2 / 35.2})
        market.buy()
        (row,) = market.orders()
    assert row["price"] == ACTIVE_ORDER["price"], "2 USD a day"
    assert row["spend"] == ACTIVE_ORDER["spend"], "after 60 s, without any fee"
