"""Memory, time, speed and money of a spec: pure arithmetic that explains itself."""

from __future__ import annotations

from clore_inference.sizing.decode import Ceiling, ceiling
from clore_inference.sizing.fit import Bill, Fit, fit
from clore_inference.sizing.memory import divides, kv_bytes_per_token
from clore_inference.sizing.money import CREATION_FEE_USD, RENTER_FEE, Price, price
from clore_inference.sizing.requirement import (
    HostFields,
    OrderFields,
    disk_gb,
    host_requirement_fields,
    order_request_fields,
)
from clore_inference.sizing.startup import Stage, Startup, startup, transfer_s

__all__ = [
    "CREATION_FEE_USD",
    "RENTER_FEE",
    "Bill",
    "Ceiling",
    "Fit",
    "HostFields",
    "OrderFields",
    "Price",
    "Stage",
    "Startup",
    "ceiling",
    "disk_gb",
    "divides",
    "fit",
    "host_requirement_fields",
    "kv_bytes_per_token",
    "order_request_fields",
    "price",
    "startup",
    "transfer_s",
]
