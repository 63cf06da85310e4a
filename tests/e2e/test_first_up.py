"""From nothing to a proven endpoint and back to nothing, as a user does it."""

from __future__ import annotations

import pytest

from support.market import Market
from support.outside import public_name_answers
from support.rental import MakeRental, Rental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_an_up_ends_with_a_proven_endpoint_and_a_destroy_with_no_order(
    rental: Rental, market: Market
) -> None:
    preview = rental.preview()
    assert preview.code == 0, preview.text
    assert market.ledger()["posts"] == 0, "a preview buys nothing"
    assert "wallet holds 2000.00 USD" in preview.text, "what the account can pay is looked at"
    assert "is what an `up` would take now" in preview.text

    first = rental.up()
    assert first.code == 0, first.text
    assert [order["id"] for order in market.active_orders()] == [rental.order_id()]
    answer = rental.ask(
        {
            "model": "mistral-medium-3.5",
            "messages": [{"role": "user", "content": "Say hello."}],
            "reasoning_mode": "deep",
        }
    )
    assert answer.status_code == 200, answer.text
    message = answer.json()["choices"][0]["message"]
    assert message["content"]
    assert message["reasoning_content"], "deep mode shows its reasoning"

    posts = market.ledger()["posts"]
    second = rental.up()
    assert set(second.changes) == {"same"}, second.text
    assert market.ledger()["posts"] == posts, "a healthy stack posts nothing"

    ended = rental.destroy()
    assert ended.code == 0, ended.text
    assert market.active_orders() == []
    assert market.ledger()["violations"] == 0, "our own traffic keeps to the rate limit"


def test_g10_a_private_endpoint_is_proven_through_a_tunnel_and_not_reachable_without(
    make_rental: MakeRental, market: Market
) -> None:
    rental = make_rental(exposure="private")
    result = rental.up()
    assert result.code == 0, result.text
    assert rental.outputs()["endpoint"] == "http://localhost:8000"
    assert not public_name_answers(market), "it is reached through the tunnel alone"
    assert rental.destroy().code == 0
    assert market.active_orders() == []
