"""The smallest machine of the guide: one H100, a quantized file, llama.cpp behind the guard."""

from __future__ import annotations

import pytest

from support.market import Market
from support.outside import public_name_answers
from support.rental import MakeRental

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
WISH = {
    "engine": "llamacpp",
    "topology": "1xH100",
    "precision": "q4_k_m",
    "maxModelLen": "32768",
    "kvCacheDtype": "q8_0",
}


@pytest.mark.parametrize("exposure", ["public", "private"])
def test_llamacpp_on_one_h100_is_proven_behind_the_guard(
    make_rental: MakeRental, market: Market, exposure: str
) -> None:
    rental = make_rental(exposure=exposure)
    rental.configure(**WISH)
    first = rental.up()
    assert first.code == 0, first.text
    assert [order["id"] for order in market.active_orders()] == [rental.order_id()]
    assert exposure == "public" or not public_name_answers(market)
    if exposure == "public":
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
        assert message["reasoning"] == message["reasoning_content"] != ""
    second = rental.up()
    assert set(second.changes) == {"same"}, second.text
    ended = rental.destroy()
    assert ended.code == 0, ended.text
    assert market.active_orders() == []
