"""Many orders at once with one key: what the limits themselves cost, and hardly more; exact."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from clore_inference.market.acquire import acquire
from clore_inference.market.guard import open_lease, sweep_lease
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.ownership import draw_lease_id
from support.lease_world import PROJECT, order_request
from support.market_double import ANSWER_S, MarketDouble
from support.server_row import server_row
from support.virtual_processes import SharedStore, VirtualProcesses

REQUEST_S = 1.0
CREATE_S = 5.0
OVERHEAD = 1.05


@dataclass
class Buyers:
    """So many processes on one machine, each with a lease of its own."""

    count: int
    clock: VirtualProcesses = field(default_factory=VirtualProcesses)

    def __post_init__(self) -> None:
        servers = {number: server_row(number, 40) for number in range(101, 101 + self.count)}
        self.store = SharedStore(self.clock)
        self.double = MarketDouble(self.clock, servers=servers, balance=9000)

    def run(self, life: Callable[[Marketplace], None]) -> None:
        self.clock.run(*(self._process(number, life) for number in range(self.count)))

    def _process(self, number: int, life: Callable[[Marketplace], None]) -> Callable[[], None]:
        market = Marketplace.assemble(
            self.double,
            self.store,
            clock=self.clock,
            engine_alive=lambda: True,
            say=lambda _: None,
            process=f"process-{number}",
            rng=random.Random(number),
        )
        return lambda: life(market)

    def until_the_last_purchase(self) -> list[tuple[float, str]]:
        """What was asked up to then; after it the last order waits for its listing, not for a turn."""
        calls = self.double.calls
        last = max(at for at, (_, name) in enumerate(calls) if name == "create_order")
        return calls[: last + 1]

    def bound_s(self) -> float:
        """The least that the limits allow for these requests, each after the last one's answer."""
        names = [name for _, name in self.until_the_last_purchase()]
        requests = (len(names) - 1) * (REQUEST_S + ANSWER_S)
        purchases = (names.count("create_order") - 1) * (CREATE_S + ANSWER_S)
        return max(requests, purchases)

    def took_s(self) -> float:
        """From the first request to the last purchase."""
        calls = self.until_the_last_purchase()
        return calls[-1][0] - calls[0][0]


def buy(market: Marketplace) -> None:
    lease_id = draw_lease_id(PROJECT, (22, 8000))
    acquire(
        market,
        project=PROJECT,
        lease_id=lease_id,
        account=open_lease(market, lease_id),
        request=order_request(),
        accept=lambda _: {"host_key": "ssh-ed25519 AAAA"},
    )


def buy_and_end(market: Marketplace) -> None:
    lease_id = draw_lease_id(PROJECT, (22, 8000))
    account = open_lease(market, lease_id)
    acquire(
        market,
        project=PROJECT,
        lease_id=lease_id,
        account=account,
        request=order_request(),
        accept=lambda _: {"host_key": "ssh-ed25519 AAAA"},
    )
    sweep_lease(market, project=PROJECT, lease_id=lease_id, account=account)


@pytest.mark.parametrize("count", [1, 2, 4, 10])
def test_n_orders_cost_at_most_1_05_times_what_the_limits_themselves_set(count: int) -> None:
    buyers = Buyers(count)
    buyers.run(buy)
    assert len(buyers.double.active()) == count
    assert buyers.double.violations == 0
    assert buyers.took_s() <= OVERHEAD * buyers.bound_s(), buyers.double.calls


def test_an_order_needs_no_more_requests_beside_others_than_alone() -> None:
    alone, many = Buyers(1), Buyers(10)
    alone.run(buy)
    many.run(buy)
    asked = Counter(name for _, name in many.double.calls)
    assert len(many.double.calls) <= 10 * len(alone.double.calls)
    assert asked["create_order"] == asked["marketplace"] == 10, "nobody chooses twice"
    assert asked["completed"] == 1, "what the account's history says is read once for all"


def test_nobody_waits_for_his_turn_while_it_is_free() -> None:
    buyers = Buyers(6)
    buyers.run(buy)
    gaps = [later - one for (one, _), (later, _) in pairwise(buyers.double.calls)]
    waited = [gap - ANSWER_S - REQUEST_S for gap in gaps]
    busy = waited[: len(waited) * 2 // 3]
    assert max(busy) <= CREATE_S, "only the limit for purchases holds a turn back"


def test_four_processes_that_buy_and_end_break_no_limit() -> None:
    buyers = Buyers(4)
    buyers.run(buy_and_end)
    assert buyers.double.active() == []
    assert buyers.double.violations == 0
