"""Faults of the answer: lost, wrong, or not what was done."""

from __future__ import annotations

import pytest

from clore_emulator.api.reply import ConnectionDropped
from support.emulated import Emulated

from .proof import active, proves


@proves("accept_then_drop_connection")
def _accepted_and_dropped(market: Emulated) -> None:
    market.arm(do="accept_then_drop_connection", on="create_order")
    with pytest.raises(ConnectionDropped):
        market.create()
    assert len(active(market)) == 1, "the order exists although no answer came"


@proves("accept_then_hang")
def _accepted_and_hung(market: Emulated) -> None:
    market.arm(do="accept_then_hang", on="create_order")
    with pytest.raises(ConnectionDropped):
        market.create()
    assert len(active(market)) == 1


@proves("drop_before_handling")
def _dropped(market: Emulated) -> None:
    market.arm(do="drop_before_handling", on="create_order")
    with pytest.raises(ConnectionDropped):
        market.create()
    assert active(market) == [], "nothing was bought"


@proves("hang_before_handling")
def _hung(market: Emulated) -> None:
    market.arm(do="hang_before_handling", on="create_order")
    with pytest.raises(ConnectionDropped):
        market.create()
    assert active(market) == []


@proves("code1_but_accepted")
def _code1_accepted(market: Emulated) -> None:
    market.arm(do="code1_but_accepted", on="create_order")
    answer = market.create()
    assert (answer.status_code, answer.json()) == (500, {"code": 1})
    assert len(active(market)) == 1


@proves("code1_and_nothing_done")
def _code1(market: Emulated) -> None:
    market.arm(do="code1_and_nothing_done", on="create_order")
    assert market.create().json() == {"code": 1}
    assert active(market) == []


@proves("http500_but_accepted")
def _http500(market: Emulated) -> None:
    market.arm(do="http500_but_accepted", on="create_order")
    answer = market.create()
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert len(active(market)) == 1


@proves("http502_html")
def _http502(market: Emulated) -> None:
    market.arm(do="http502_html", on="create_order")
    answer = market.create()
    assert answer.status_code == 502
    assert "<html>" in answer.text
    assert active(market) == []
    market.arm(do="http502_html", on="create_order", phase="after_commit")
    assert market.create().status_code == 502
    assert len(active(market)) == 1


@proves("answer_ok_without_order_id")
def _without_id(market: Emulated) -> None:
    market.arm(do="answer_ok_without_order_id")
    assert market.create().json() == {"code": 0}


@proves("answer_ok_with_order_id")
def _with_id(market: Emulated) -> None:
    market.arm(do="answer_ok_with_order_id")
    answer = market.create().json()
    assert answer == {"order": {"id": active(market)[0]}, "code": 0}
    market.arm(do="answer_ok_with_order_id", as_text=True)
    answer = market.create(98008).json()
    assert answer["order"]["id"] == str(active(market)[1])


@proves("answer_garbage")
def _garbage(market: Emulated) -> None:
    market.arm(do="answer_garbage", on="create_order")
    assert market.create().text == '{"code":'
    assert len(active(market)) == 1


@proves("answer_wrong_type")
def _wrong_type(market: Emulated) -> None:
    market.arm(do="answer_wrong_type", on="my_orders")
    assert market.get("/v1/my_orders").json() == []


@proves("refuse_with")
def _refused(market: Emulated) -> None:
    market.arm(do="refuse_with(no-such-word)", on="create_order")
    assert market.create().json() == {"error": "no-such-word", "code": 6}
    assert active(market) == []


@proves("rate_limit_storm")
def _storm(market: Emulated) -> None:
    market.arm(do="rate_limit_storm(2)")
    codes = [market.get("/v1/wallets").json()["code"] for _ in range(3)]
    assert codes == [5, 5, 0]
    assert market.ledger()["violations"] == 0, "an invented refusal is no violation"


@proves("key_revoked")
def _revoked(market: Emulated) -> None:
    rule = market.arm(do="key_revoked", account="renter")
    assert market.get("/v1/wallets").json() == {"code": 3}
    assert market.get("/v1/my_orders").json() == {"code": 3}
    market.admin("DELETE", f"/faults/{rule}")
    assert market.get("/v1/wallets").json()["code"] == 0


@proves("user_agent_blocked")
def _blocked(market: Emulated) -> None:
    market.arm(do="user_agent_blocked", on="marketplace")
    assert market.get("/v1/marketplace").status_code == 403


@proves("cancel_lies")
def _cancel_lies(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="cancel_lies(2)")
    assert [market.cancel(order_id).json() for _ in range(2)] == [{"code": 0}] * 2
    assert active(market) == [order_id]
    market.cancel(order_id)
    assert active(market) == []


@proves("cancel_fails")
def _cancel_fails(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="cancel_fails")
    assert market.cancel(order_id).json() == {"code": 1}
    assert active(market) == [order_id]


@proves("cancel_fails_but_applied")
def _cancel_applied(market: Emulated) -> None:
    order_id = market.buy()
    market.arm(do="cancel_fails_but_applied")
    assert market.cancel(order_id).json() == {"code": 1}
    assert active(market) == []
