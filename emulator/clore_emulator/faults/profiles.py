"""Three moods of the market, as sets of fault rules."""

from __future__ import annotations

from typing import Any, Final, Literal

Profile = Literal["calm", "flaky", "hostile"]

PROFILES: Final[dict[Profile, tuple[dict[str, Any], ...]]] = {
    "calm": (),
    "flaky": (
        {"do": "code1_and_nothing_done", "on": "my_orders", "probability": 0.03},
        {"do": "http502_html", "on": ["wallets", "marketplace", "my_orders"], "probability": 0.02},
        {"do": "someone_rents_first", "probability": 0.05},
        {"do": "accept_then_drop_connection", "on": "create_order", "probability": 0.05},
        {"do": "list_lags_by(20)", "probability": 0.1},
        {"do": "cancel_fails_but_applied", "probability": 0.03},
        {"do": "price_moves(2)", "probability": 0.5},
    ),
    "hostile": (
        {"do": "code1_and_nothing_done", "on": "my_orders", "probability": 0.04},
        {"do": "list_is_empty_after_error", "probability": 0.02},
        {"do": "someone_rents_first", "probability": 0.05},
        {"do": "refuse_with(server-offline)", "on": "create_order", "probability": 0.05},
        {"do": "code1_and_nothing_done", "on": "create_order", "probability": 0.05},
        {"do": "drop_before_handling", "on": "create_order", "probability": 0.05},
        {"do": "accept_then_drop_connection", "on": "create_order", "probability": 0.05},
        {"do": "code1_but_accepted", "on": "create_order", "probability": 0.05},
        {"do": "http500_but_accepted", "on": "create_order", "probability": 0.05},
        {"do": "list_lags_by(20)", "probability": 0.3},
        {"do": "list_lags_by(45)", "probability": 0.03},
        {"do": "price_rises_before_order", "probability": 0.05},
        {"do": "server_lies(fewer_gpus)", "probability": 0.05},
        {"do": "never_deploys", "probability": 0.03},
        {"do": "cancel_fails", "probability": 0.06},
        {"do": "cancel_fails_but_applied", "probability": 0.04},
        {"do": "cancel_lies", "probability": 0.1},
        {"do": "rate_limit_storm", "on": ["my_orders", "marketplace"], "probability": 0.02},
        {"do": "marketplace_garbage"},
        {"do": "price_moves"},
    ),
}
"""Rates of `hostile`: those at which designs of the order protocol were compared by simulation."""
