"""Any order of commands, crashes, faults, hands and prices: the ledger stays right."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from clore_inference.errors import CloreInferenceError
from clore_inference.market.observe import Alive, Unknown
from support.lease_world import IMAGE, Killed, Plug, Stack, new_world
from support.ledger_judge import (
    assert_no_breach,
    assert_none_left,
    assert_one_held,
)

FAULTS = {
    "my_orders": ["fails", "drop", "garbage", "limited", "empty_after_error"],
    "completed": ["fails", "garbage"],
    "marketplace": ["fails", "garbage", "limited"],
    "wallets": ["fails", "drop"],
    "create_order": [
        "drop_before",
        "drop_after",
        "code1_after",
        "limited",
        "limited_after",
        "html_after",
        "offline",
        "price_lies",
    ],
    "cancel_order": ["fails", "lies", "drop_after", "fails_applied"],
}
CRASHES = st.one_of(st.none(), st.integers(0, 40))


class LeaseMachine(RuleBasedStateMachine):
    """One stack on one account, with a human beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = new_world()
        self.stack = Stack()

    @rule(crash_at=CRASHES)
    def up(self, crash_at: int | None) -> None:
        try:
            seen = self.world.up(self.stack, Plug(crash_at))
        except (Killed, CloreInferenceError):
            return
        if not isinstance(seen, Alive | Unknown):
            assert_one_held(self.world, self.stack)

    @rule(crash_at=CRASHES)
    def destroy(self, crash_at: int | None) -> None:
        try:
            self.world.destroy(self.stack, Plug(crash_at))
        except (Killed, CloreInferenceError):
            return
        assert_none_left(self.world)

    @rule(data=st.data())
    def market_misbehaves(self, data: Any) -> None:
        endpoint = data.draw(st.sampled_from(sorted(FAULTS)))
        self.world.double.faults[endpoint].append(data.draw(st.sampled_from(FAULTS[endpoint])))

    @rule(lag_s=st.sampled_from([0, 5, 20, 45]), ports_s=st.sampled_from([0, 5, 30]))
    def listing_lags(self, lag_s: float, ports_s: float) -> None:
        self.world.double.list_lag_s, self.world.double.ports_lag_s = lag_s, ports_s

    @rule(factor=st.sampled_from([0.8, 1.0, 1.15]), server_id=st.sampled_from([101, 102, 103]))
    def price_moves(self, factor: float, server_id: int) -> None:
        prices = self.world.double.servers[server_id]["price"]["on_demand"]
        prices["USD-Blockchain"] = round(prices["USD-Blockchain"] * factor, 2)

    @rule(same_image=st.booleans(), ports=st.booleans())
    def human_rents(self, same_image: bool, ports: bool) -> None:  # noqa: FBT001
        if self.world.double.order_on(104) is None:
            image = IMAGE if same_image else "cloreai/jupyter:ubuntu24.04-v2"
            self.world.double.human_rents(104, image, ports=ports)

    @rule()
    def human_cancels(self) -> None:
        for order in self.world.double.active():
            self.world.double.end(order, "human")
        self.world.clock.time += 6

    @rule(server_id=st.sampled_from([101, 102, 103]))
    def host_lies(self, server_id: int) -> None:
        self.world.liars = {server_id}

    @rule()
    def another_runner(self) -> None:
        self.world.fresh_machine()

    @rule(seconds=st.sampled_from([6, 61, 4000]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.time += seconds

    @invariant()
    def nothing_is_breached(self) -> None:
        assert_no_breach(self.world)

    @invariant()
    def nothing_in_state_is_above_the_cap(self) -> None:
        if self.stack.lease is not None:
            assert Decimal(self.stack.lease["usd_per_day"]) <= self.world.request.max_usd_per_day

    def teardown(self) -> None:
        """Whatever happened: on a calm market, destroy ends with nothing left."""
        self.world.double.faults.clear()
        self.world.clock.time += 4000  # a human's order without ports may be ours for an hour
        for attempt in range(3):
            try:
                self.world.destroy(self.stack)
                break
            except CloreInferenceError:
                assert attempt < 2, "destroy never succeeds again"
        assert_none_left(self.world)
        assert_no_breach(self.world)


def test_g1_to_g5_hold_through_any_sequence_of_commands_and_mishaps() -> None:
    run_state_machine_as_test(
        LeaseMachine,
        settings=settings(
            max_examples=120,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
