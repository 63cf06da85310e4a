"""Offers of the marketplace and a request for them, in few words."""

from __future__ import annotations

from clore_inference.market.request import OrderRequest
from clore_inference.market.wire import Server

REQUEST = OrderRequest(
    gpu="H100-80GB",
    gpu_names=("NVIDIA H100 80GB HBM3",),
    gpu_count=4,
    max_usd_per_day="45",
    image="vllm/vllm-openai:v0.32.0",
    ports={22: "tcp", 8000: "http"},
    ssh_public_key="",
)


def server(number: int, price: float, gpu: str = "4x NVIDIA H100 80GB HBM3") -> Server:
    row = {
        "id": number,
        "rented": False,
        "specs": {"gpu": gpu, "gpuram": 80},
        "allowed_coins": ["USD-Blockchain"],
        "price": {"on_demand": {"USD-Blockchain": price}},
    }
    return Server.model_validate(row)
