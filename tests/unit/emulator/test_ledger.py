"""The ledger bills by the second, ends orders by itself, and survives a kill."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clore_emulator import money
from clore_emulator.ledger import Journal, Ledger, report
from clore_emulator.ledger.journal import FILE_NAME, StateInUse

SERVER: dict[str, Any] = {"specs": {}, "rating": {}}


def ledger_with(balance: str = "100", journal: Journal | None = None) -> Journal:
    """A ledger with one account, opened at second 1000."""
    journal = journal or Journal()
    journal.record("opened", 1000, seed=0)
    journal.record(
        "account", 1000, name="renter", deposits={"USD-Blockchain": balance},
        addresses={"USD-Blockchain": "address"},
    )  # fmt: skip
    return journal


def buy(journal: Journal, at: float, order_id: int = 1, **changes: Any) -> None:
    order = {
        "id": order_id, "server_id": order_id, "account": "renter", "made_by": "renter",
        "type": "on-demand", "currency": "USD-Blockchain", "price": "86.4", "mrl_s": 3600,
        "request": {"image": "image", "ports": {}}, "server": SERVER, "visible_at": at,
        "ports_at": at, "deployed_at": at,
    }  # fmt: skip
    journal.record("order", at, **{**order, **changes})


def balance(ledger: Ledger, at: float) -> Decimal:
    ledger.settle(at)
    return ledger.balance(ledger.accounts["renter"], "USD-Blockchain", at)


def test_an_order_costs_its_price_the_renter_fee_and_the_creation_fee() -> None:
    journal = ledger_with()
    buy(journal, 1000)
    order = journal.ledger.orders[1]
    assert order.spend(1060.9) == Decimal("0.06"), "whole seconds, no fees: 86.40 a day for 60 s"
    assert order.cost(1060.9) == Decimal("0.163"), "0.06 plus 5 % plus 0.10"
    assert balance(journal.ledger, 1060.9) == Decimal("99.837")


def test_a_spot_order_pays_the_smaller_fee() -> None:
    journal = ledger_with()
    buy(journal, 1000, type="spot")
    assert journal.ledger.orders[1].cost(2000) == Decimal("1.1125")


def test_the_creation_fee_is_the_same_money_in_every_currency() -> None:
    for currency, rate in money.USD_RATES.items():
        fee = money.creation_fee(currency) * rate
        assert fee == pytest.approx(Decimal("0.10"), abs=Decimal("0.001")), currency


def test_an_order_ends_at_the_end_of_its_term_and_costs_no_more() -> None:
    journal = ledger_with()
    buy(journal, 1000.7)
    (ended,) = journal.ledger.settle(9000)
    assert (ended.ended_at, ended.end_reason, ended.ended_by) == (4600, "term_over", "market")
    assert ended.seconds(9000) == 3600, "ct is a whole second, and the term is counted from it"
    assert balance(journal.ledger, 9000) == balance(journal.ledger, 4600)


def test_a_dry_wallet_ends_every_order_it_pays_for_at_the_same_second() -> None:
    journal = ledger_with("1.21")
    buy(journal, 1000, 1, mrl_s=99999)
    buy(journal, 1100, 2, mrl_s=99999)
    ended = journal.ledger.settle(50_000)
    assert [order.id for order in ended] == [1, 2]
    assert {order.end_reason for order in ended} == {"wallet_dry"}
    # 1.01 USD after two creation fees; 100 s of one order, then both at 0.00105 USD a second
    assert {order.ended_at for order in ended} == {1530}
    assert Decimal(0) <= balance(journal.ledger, 50_000) < Decimal("0.0021")


def test_a_wallet_in_another_currency_keeps_its_orders() -> None:
    journal = ledger_with("1")
    journal.ledger.accounts["renter"].deposits["bitcoin"] = Decimal(1)
    buy(journal, 1000, 1, mrl_s=99999)
    buy(journal, 1000, 2, mrl_s=99999, currency="bitcoin", price="0.001")
    journal.ledger.settle(20_000)
    assert [order.id for order in journal.ledger.active()] == [2]


def test_settling_in_steps_equals_settling_at_once() -> None:
    def settled(steps: list[float]) -> dict[str, Any]:
        journal = ledger_with("3.3333")
        buy(journal, 1000, 1, price="12.3456789", mrl_s=99999)
        buy(journal, 1003.5, 2, price="77.7", mrl_s=1111)
        for step in steps:
            journal.ledger.settle(step)
        return report(journal.ledger, 99_999)

    assert settled([99_999]) == settled([1010.1 + 7.3 * n for n in range(600)] + [99_999])


def test_the_report_names_every_judged_number() -> None:
    journal = ledger_with()
    buy(journal, 1000)
    journal.record(
        "request", 1000, method="POST", path="/v1/create_order", account="renter", key="renter",
        status=200, code=0, violation=True, order_id=1,
    )  # fmt: skip
    judged = report(journal.ledger, 1060)
    assert {
        name: judged[name]
        for name in ("posts", "creates", "cancels", "violations", "foreign_cancels", "spent_usd")
    } == {
        "posts": 1, "creates": 1, "cancels": 0, "violations": 1, "foreign_cancels": 0,
        "spent_usd": 0.163,
    }  # fmt: skip
    assert judged["burn_usd_per_day"] == 90.72
    assert judged["accounts"]["renter"]["active_orders"] == [1]
    assert "request_log" not in judged


def test_a_replayed_journal_is_the_same_ledger(tmp_path: Path) -> None:
    journal = ledger_with("5", Journal(tmp_path))
    buy(journal, 1000, 1)
    buy(journal, 1010, 2, type="spot", mrl_s=99999)
    journal.record("repriced", 1500, order_id=2, price="90")
    journal.record("ended", 2000, order_id=1, by="renter", reason="cancelled", visible_at=2003)
    journal.record("tick", 3000)
    before = report(journal.ledger, 3000)
    journal.close()
    again = Journal(tmp_path)
    assert report(again.ledger, 3000) == before
    assert again.ledger.latest == 3000
    again.close()


def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path: Path) -> None:
    journal = ledger_with(journal=Journal(tmp_path))
    buy(journal, 1000)
    journal.close()
    with (tmp_path / FILE_NAME).open("a", encoding="utf-8") as file:
        file.write('{"kind":"ended","at":10')
    again = Journal(tmp_path)
    assert [order.id for order in again.ledger.active()] == [1]
    again.record("tick", 1200)
    again.close()
    assert Journal(tmp_path).ledger.latest == 1200, "the file is whole again"


def test_a_damaged_journal_is_refused_with_its_line(tmp_path: Path) -> None:
    journal = ledger_with(journal=Journal(tmp_path))
    journal.close()
    with (tmp_path / FILE_NAME).open("a", encoding="utf-8") as file:
        file.write("garbage\n")
    with pytest.raises(ValueError, match="damaged in line 3"):
        Journal(tmp_path)


def test_two_emulators_cannot_share_a_state_directory(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    with pytest.raises(StateInUse, match="another emulator"):
        Journal(tmp_path)
    first.close()
    Journal(tmp_path).close()


def test_an_unknown_event_is_an_error_and_not_ignored() -> None:
    with pytest.raises(KeyError):
        Journal().record("surprise", 1)
