"""An offer as GET /marketplace shows it."""

from __future__ import annotations

from typing import Any


def server_row(server_id: int, cost: float, /, **other: Any) -> dict[str, Any]:
    """An offer in the shape of 2026."""
    row: dict[str, Any] = {
        "id": server_id,
        "owner": 7,
        "mrl": 720,
        "price": {
            "on_demand": {"bitcoin": 0.0004, "USD-Blockchain": cost},
            "spot": {"USD-Blockchain": cost},
            "usd": {"on_demand_btc": 27.0, "on_demand_usd": cost, "spot": 0},
        },
        "rented": False,
        "specs": {
            "mb": "H13DSG",
            "cpu": "AMD EPYC 9654",
            "cpus": "192/384",
            "ram": 1510.2,
            "disk": "SAMSUNG MZQL27T6 3500.5GB",
            "disk_speed": 5200.5,
            "gpu": "4x NVIDIA H100 80GB HBM3",
            "gpuram": 79,
            "net": {"up": 5000, "down": 5000, "cc": "US"},
            "pcie_rev": 5,
            "pcie_width": 16,
            "pl": [700] * 4,
        },
        "reliability": 0.99,
        "allowed_coins": ["bitcoin", "CLORE-Blockchain", "USD-Blockchain"],
        "rating": {"avg": 4.5, "cnt": 9},
        "gpu_array": [" H100 80GB HBM3"] * 4,
        "cuda_version": "12.8",
    }
    specs = other.pop("specs", {})
    row["specs"] = {**row["specs"], **specs}
    return {**row, **other}
