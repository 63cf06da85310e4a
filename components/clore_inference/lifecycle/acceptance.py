"""Which host a lease takes, and when one that it took no longer serves.

A lie ends an order; what is only slow is weighed against what a new order costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from clore_inference.clock import Clock
from clore_inference.errors import HostRejected
from clore_inference.host.attest import HostRequirement, shortfalls
from clore_inference.host.login import Login
from clore_inference.market.order import ActiveOrder
from clore_inference.secret import Secret

if TYPE_CHECKING:
    from clore_inference.sizing.replacement import Weighed


class Acceptance:
    """Judges the hosts of one acquisition."""

    def __init__(
        self,
        requirement: HostRequirement,
        private_key: Secret,
        *,
        clock: Clock,
        say: Callable[[str], None],
        replacements: int,
    ) -> None:
        self._requirement = requirement
        self._private_key = private_key
        self._clock = clock
        self._say = say
        self._left = replacements

    def __call__(self, order: ActiveOrder) -> dict[str, Any]:
        """Return the attested facts of an order's host; raises HostRejected, with both values."""
        from clore_inference.host.accept import accept  # noqa: PLC0415 - imports asyncssh

        login = Login(host=order.ssh_host, port=order.ssh_port, private_key=self._private_key)
        try:
            facts = accept(
                login,
                self._requirement,
                clock=self._clock,
                deadline_s=order.remaining_s,
                say=self._say,
                advertised=order.advertised,
            )
            self._judge_speed(order, facts)
        except HostRejected:
            self._left -= 1
            raise
        return facts

    def _judge_speed(self, order: ActiveOrder, facts: Mapping[str, Any]) -> None:
        found = weighed(self._requirement, facts, order)
        if found is None:
            return
        if found.keep:
            self._say(f"server {order.server_id}: {found.words}")
            return
        if self._left <= 0:
            self._say(
                f"server {order.server_id}: {found.words}, if maxReplacements allowed one more; so it "
                "is kept"
            )
            return
        raise HostRejected(
            f"order {order.order_id} on server {order.server_id} is slow, not false: {found.words}",
            reason=f"slow: {found.measured_mbps:g} Mbps measured, {_advertised(order)} advertised",
        )


def weighed(
    requirement: HostRequirement, facts: Mapping[str, Any], order: ActiveOrder
) -> Weighed | None:
    """Compare a slow link with a new order; None where it is as fast as asked, or was not measured."""
    link, measured = requirement.link, facts.get("down_mbps")
    if link is None or not measured or measured >= link.expected_mbps:
        return None
    from clore_inference.sizing.replacement import weigh  # noqa: PLC0415 - a diff never weighs

    return weigh(
        link.weights_bytes,
        measured_mbps=float(measured),
        expected_mbps=link.expected_mbps,
        usd_per_day=order.usd_per_day,
    )


def _advertised(order: ActiveOrder) -> str:
    net = order.advertised.get("net")
    down = net.get("down") if isinstance(net, Mapping) else None
    return f"{down:.0f} Mbps" if isinstance(down, int | float) else "nothing"


def outgrown(
    facts: Mapping[str, Any], had: HostRequirement, want: HostRequirement
) -> tuple[str, ...]:
    """Why a held host no longer serves what is wanted; what it was never asked is not held against it."""
    return shortfalls(facts, want.as_asked_by(had))
