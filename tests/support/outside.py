"""What somebody on the internet sees of a rented host."""

from __future__ import annotations

import requests

from clore_emulator.hosts.hosts import can_isolate
from support.market import Market

BAD_GATEWAY = 502


def public_name_answers(market: Market) -> bool:
    """Whether anything on the one order's host answers its public http name.

    False where hosts have no network namespace: they then share the loopback that a relay uses.
    """
    if not can_isolate():
        return False
    port = market.active_orders()[0]["address"]["http"]
    return requests.get(f"http://127.0.0.1:{port}/health", timeout=30).status_code != BAD_GATEWAY
