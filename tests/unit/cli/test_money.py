"""Doctor: what the account costs, and whether the API is what this package takes it for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from clore_inference.catalog import catalog
from clore_inference.cli import money
from clore_inference.cli.billing import Bill, Recorded
from clore_inference.cli.survey import Known, Survey
from clore_inference.cli.wish import Wish
from clore_inference.market import assumptions
from clore_inference.market.assumptions import Assumption, of_mark, of_market, of_orders, of_wallets
from clore_inference.market.ownership import mark
from clore_inference.market.wire import Order, Wallet, orders_of, servers_of
from clore_inference.rules import Facts, judge
from support.emulated import emulated
from support.lease_world import IMAGE, PROJECT, World, new_world
from support.program import program
from support.recorded_state import lost, order_id, state
from support.server_row import server_row

RECORDED = Path(__file__).parents[2] / "contract" / "recorded"
NAMES = {name for gpu in catalog().gpu for name in gpu.market_names}
LEASE = "a" * 32


def verdicts(found: Iterable[Assumption]) -> dict[str, str]:
    return {one.name: one.verdict for one in found}


def recorded(name: str) -> Order:
    row = json.loads((RECORDED / f"{name}.json").read_text())
    return orders_of({"orders": [row], "code": 0})[0]


def test_the_recorded_real_orders_are_as_assumed() -> None:
    active, closed = recorded("order-active-2026"), recorded("order-closed-2026")
    found = verdicts(of_orders([active], [closed], 1783703950.0))
    assert found == dict.fromkeys(
        ("ended-orders", "term-seconds", "creation-fee", "billing"), "holds"
    )


def test_the_emulators_answers_are_as_assumed() -> None:
    with emulated() as emulator:
        order = emulator.buy()
        emulator.wait(3600)
        active = orders_of({"orders": emulator.orders(), "code": 0})
        servers = servers_of(emulator.get("/v1/marketplace", key=None).json())
        emulator.cancel(order)
        closed = orders_of({"orders": emulator.orders(completed=True), "code": 0})
    server_time = (active[0].created_at or 0) + 3600
    orders = verdicts(of_orders(active, closed, server_time))
    assert set(orders.values()) == {"holds"}, orders
    market = verdicts(of_market(servers, server_time, NAMES))
    assert set(market.values()) == {"holds"}, market


def test_an_account_without_orders_proves_nothing_and_breaks_nothing() -> None:
    assert set(verdicts(of_orders([], [], 1.0)).values()) == {"unproven"}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"creation_fee": 0.5}, "creation-fee"),
        ({"term_s": 168.0}, "term-seconds"),
        ({"spend": 2.0 * 24}, "billing"),
    ],
    ids=["another-fee", "a-term-in-hours", "a-price-per-hour"],
)
def test_an_order_that_is_otherwise_says_which_assumption_broke(
    change: dict[str, Any], broken: str
) -> None:
    order = recorded("order-active-2026").model_copy(update=change)
    later = (order.created_at or 0) + 86400
    if broken != "billing":
        order = order.model_copy(update={"spend": 2.0})
    found = verdicts(of_orders([order], [], later))
    assert found[broken] == "broken"
    assert sum(verdict == "broken" for verdict in found.values()) == 1


def test_an_order_that_ended_without_a_date_is_no_evidence() -> None:
    order = recorded("order-closed-2026").model_copy(update={"order_end": None})
    assert verdicts(of_orders([], [order], 1.0))["ended-orders"] == "broken"


def market_of(*rows: dict[str, Any]) -> Any:
    return servers_of({"servers": list(rows), "code": 0})


def test_a_market_of_another_shape_is_told_part_by_part() -> None:
    fine = server_row(1, 40)
    assert set(verdicts(of_market(market_of(fine), 1.0, NAMES)).values()) == {"holds"}
    cases = {
        "term-hours": server_row(1, 40, mrl=604800),
        "gpu-names": server_row(1, 40, specs={"gpu": "NVIDIA H100 80GB HBM3 (4)"}),
        "gpu-spelling": server_row(1, 40, specs={"gpu": "4x NVIDIA H100 SXM5 80GB"}),
        "usd-price": server_row(
            1, 40, price={"on_demand": {"USD-Blockchain": 40}, "usd": {"on_demand_usd": 1.7}}
        ),
    }
    for name, row in cases.items():
        assert verdicts(of_market(market_of(row), 1.0, NAMES))[name] == "broken", name
    assert verdicts(of_market(market_of(fine), None, NAMES))["clock"] == "broken"
    assert verdicts(of_market(market_of({"id": "x"}), 1.0, NAMES))["offers"] == "broken"
    assert verdicts(of_market(market_of(), 1.0, NAMES))["gpu-spelling"] == "unproven"


def test_wallets_without_an_address_tell_no_account() -> None:
    assert verdicts(of_wallets([Wallet(name="bitcoin", balance=None)])) == {
        "account": "broken",
        "usd-wallet": "broken",
    }


def marked(*ports: int, image: str = IMAGE) -> Order:
    row = {"id": 1, "image": image, "tcp_ports": [f"{port}:1" for port in ports]}
    return Order.model_validate(row)


def test_the_marks_echo_is_judged_on_the_order_that_is_held() -> None:
    ports = mark(PROJECT, LEASE)
    whole = of_mark(marked(22, *ports), mark(PROJECT, LEASE), [22], f"docker.io/{IMAGE}")
    assert verdicts(whole) == {"mark": "holds", "image": "holds"}
    part = list(of_mark(marked(22, ports[0]), mark(PROJECT, LEASE), [22], "another:v1"))
    assert verdicts(part) == {"mark": "broken", "image": "broken"}
    assert str(sorted(ports[1:])) in part[0].text
    assert verdicts(of_mark(marked(), mark(PROJECT, LEASE), [22], None)) == {"mark": "unproven"}


def rows(world: World, pulumi: Any, *stacks: str) -> dict[str, tuple[str, str]]:
    known = Known(stacks=stacks)
    found = money._account(world.market(), Wish({}), known, pulumi)
    return {row.name: (row.state, row.text) for row in found}


def holding(text: str) -> Any:
    def pulumi(arguments: Sequence[str]) -> CompletedProcess[str]:
        return CompletedProcess([], 0, text, "")

    return pulumi


def test_an_order_shows_what_it_costs_and_how_long_the_wallet_lasts() -> None:
    world, stack = lost()
    world.double.balance = 20
    world.double.human_rents(104, "someone/else:v1")
    found = rows(world, holding(state(stack, held=True)), "h100")
    level, text = found[f"order {order_id(stack)}"]
    assert level == "ok"
    for part in ("1.75 USD/h", "0.40 USD spent", "ends in 29 d"):
        assert part in text
    assert found["orders"] == (
        "ok",
        "1 order(s) of this project, 1.75 USD/h, 0.40 USD spent so far; 1 order(s) of others",
    )
    level, text = found["wallet"]
    assert level == "note"
    assert text == "USD-Blockchain: 20.00 USD, 3.50 USD/h burning, 5 h 42 min left"
    assert "else" not in str(found), "orders of others are only a number"


def test_a_spot_order_says_what_may_end_it_at_any_time() -> None:
    world, stack = lost()
    world.double.orders[0].type = "spot"
    _, text = rows(world, holding(state(stack, held=True)), "h100")[f"order {order_id(stack)}"]
    assert text.endswith("spot: ends at once when somebody bids more")


def test_an_order_that_the_state_lost_is_bad() -> None:
    world, stack = lost()
    level, text = rows(world, holding(state(stack, held=False)), "h100")[f"order {order_id(stack)}"]
    assert level == "bad"
    assert "no lease of this state holds it" in text


def test_the_first_real_order_verifies_the_mark() -> None:
    world, stack = lost()
    document = json.loads(state(stack, held=True))
    outputs = document["deployment"]["resources"][1]["outputs"]
    assert stack.guard is not None
    outputs |= {"lease_id": stack.guard["lease_id"], "request": world.request.model_dump_json()}
    found = rows(world, holding(json.dumps(document)), "h100")
    assert found["api mark"][0] == "ok"
    assert found["api image"][0] == "ok"
    assert "api billing" in found

    world.double.echo_ports = False
    broken = rows(world, holding(json.dumps(document)), "h100")
    assert broken["api mark"][0] == "bad"
    assert "rent nothing more" in broken["api mark"][1]


def test_without_a_state_the_projects_port_is_what_can_be_checked() -> None:
    world, stack = lost()
    assert str(order_id(stack)) in rows(world, holding(""))["api mark"][1]
    assert rows(new_world(), holding(""))["api mark"][0] == "note"


def test_a_state_that_cannot_be_read_hides_no_money() -> None:
    world, stack = lost()

    def broken(arguments: Sequence[str]) -> CompletedProcess[str]:
        return CompletedProcess([], 255, "", "no stack named h100")

    found = rows(world, broken, "h100")
    assert found["state"][0] == "note"
    assert f"order {order_id(stack)}" in found


def test_doctor_asks_only_for_listings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = lost()
    monkeypatch.setattr(money, "market_of", lambda *_: world.market())
    monkeypatch.setenv("CLORE_API_KEY", "k" * 32)
    before = len(world.double.calls)
    document = json.loads(program("doctor", "--json", capsys=capsys).out)
    asked = {name for _, name in world.double.calls[before:]}
    assert asked == {"marketplace", "wallets", "my_orders", "completed"}
    assert {"orders", "wallet", "api mark", "api billing"} <= {row["name"] for row in document}


def test_every_assumption_has_a_name_of_its_own() -> None:
    found = [
        *of_market(market_of(server_row(1, 40)), 1.0, NAMES),
        *of_wallets([]),
        *of_orders([], [], 1.0),
        *of_mark(marked(22), mark(PROJECT, LEASE), [22], IMAGE),
    ]
    names = [one.name for one in found]
    assert len(set(names)) == len(names)
    assert set(money.STATES) == set(assumptions.Verdict.__args__)  # type: ignore[attr-defined]


def test_a_doctor_judges_wallet_and_order_of_a_stack_by_the_same_rules_as_a_plan() -> None:
    held = Bill(7, 101, "held", Decimal(40), ends_in_s=6 * 3600)
    wallet = Wallet(name="USD-Blockchain", balance=22.7)
    survey = Survey(Recorded("p"), (held,), (wallet,), (), {"USD-Blockchain": Decimal(1)})
    wish = Wish({"licenseUse": "evaluation", "maxUsdPerDay": "45"})
    texts = [row.text for row in money.by_rules(wish, survey)]
    assert [text.rpartition("[")[2] for text in texts] == [
        "clore-wallet-outlast-term]",
        "clore-term-outlast-wish]",
    ]
    facts = Facts.of_values(wish.values)
    told = replace(facts, wallet_usd=Decimal("22.7"), term_hours=6.0)
    assert set(texts) <= {one.text for one in judge(told)}
    assert not list(money.by_rules(Wish({"maxUsdPerDay": "many"}), survey)), (
        "`plan` says what is wrong"
    )
