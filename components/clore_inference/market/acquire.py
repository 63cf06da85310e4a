"""Holding exactly one accepted order for a lease: adopt ours, else buy, at most one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from clore_inference import units
from clore_inference.errors import Ambiguous, HostRejected, Refused
from clore_inference.market.fingerprint import verify_account
from clore_inference.market.lease import Lease, Sighting, closed_row, held_lock, look, poll_s
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.order import HeldOrder
from clore_inference.market.proving import Accept, Prover, misfit, rate_of
from clore_inference.market.purchase import Purchase
from clore_inference.market.release import end_order
from clore_inference.market.request import OrderRequest
from clore_inference.market.short_lived import REJECTED_FOR_S, ShortLived
from clore_inference.market.wire import Order, Wallet

MOST_REFUSALS: Final = 12
"""Each costs five seconds of pace; a market that refuses this often is not to be had today."""
POSSIBLE_BOUND_S: Final = 180.0
"""How long an order that may be ours is watched for its ports, beyond the settle window."""


def acquire(
    market: Marketplace,
    *,
    project: str,
    lease_id: str,
    account: Sequence[str],
    request: OrderRequest,
    accept: Accept,
) -> HeldOrder:
    """Return the lease's one order, its host accepted; adopts before it buys.

    `accept` returns JSON-able facts or raises HostRejected: the order is then released (verified),
    its server excluded, and the next one tried, at most `request.max_replacements` times. Blocks for
    minutes, and ends with Abandoned once the engine is gone. Raises Refused or NothingFits (nothing
    runs), Ambiguous (something may run), NotYetGone (something may still run), ListingFailed,
    WrongAccount. Any other error of `accept` leaves the order running for the next call to adopt.
    """
    lease = Lease.of(project, lease_id, account, request.image)
    with held_lock(market, lease):
        wallets = verify_account(market, account)
        return _Acquisition(market, lease, request, accept, wallets).run()


@dataclass
class _Acquisition:
    market: Marketplace
    lease: Lease
    request: OrderRequest
    accept: Accept
    wallets: Sequence[Wallet]
    replacements: int = 0
    refusals: int = 0
    avoid: set[int] = field(default_factory=set)
    demoted: frozenset[int] | None = None

    def run(self) -> HeldOrder:
        while True:
            order = self.reconcile() or self.buy()
            if order is None:
                continue
            self.lease.memory(self.market).found(order.id, order.server_id, order.ends_at)
            try:
                return Prover(self.market, self.lease, self.request, self.accept).prove(order)
            except HostRejected as rejected:
                self.turn_down(order, rejected)

    def reconcile(self) -> Order | None:
        """Return our order, or None once it is certain that there is none."""
        begun = self.market.clock.now()
        quiet_until = self.lease.memory(self.market).quiet_until()
        rounds = 0
        while True:
            sighting = look(self.market, self.lease)
            kept = self.keep_one(sighting.ours)
            if kept is not None:
                return kept
            if sighting.ours:
                begun = self.market.clock.now()
                continue
            if sighting.clean and sighting.at >= quiet_until:
                self.lease.memory(self.market).settled()
                return None
            if sighting.at - max(begun, quiet_until) > self._patience_s(sighting):
                raise self._doubtful(sighting)
            if rounds == 0:
                self.market.say(
                    "looking for an order that an earlier run may have left, before buying one"
                )
            left = quiet_until - self.market.clock.now()
            self.market.clock.sleep(poll_s(rounds, left if left > 0 else POSSIBLE_BOUND_S))
            rounds += 1

    def keep_one(self, ours: Sequence[Order]) -> Order | None:
        """Keep the oldest order that serves and is not on its way out; end the others, verified."""
        kept: Order | None = None
        for order in ours:
            why = self._unfit(order)
            if why is None and kept is None:
                kept = order
                continue
            self.market.say(
                f"order {order.id} on server {order.server_id} is ours but not kept: "
                f"{why or f'order {kept.id if kept else 0} is older and serves'}"
            )
            end_order(self.market, self.lease, order.id, order.server_id)
        return kept

    def _unfit(self, order: Order) -> str | None:
        rejected = self.market.exclusions.current(rejected_only=True)
        if order.id in self.lease.memory(self.market).released():
            return "it was being released"
        if order.server_id in rejected:
            return f"its host was turned down: {rejected[order.server_id]}"
        rate = rate_of(self.market, self.request.currency)
        why = misfit(order, self.request, rate)
        if why is None and closed_row(self.market, order.id) is not None:
            return "it has ended"
        return why

    def _patience_s(self, sighting: Sighting) -> float:
        """An order on the server that this lease posted to last gets as long as a bought one."""
        post = self.lease.memory(self.market).last_post()
        asked = [one for one in sighting.possible if post and one.server_id == post.server_id]
        return max(
            (self.request.deadline_at(one.down_mbps) for one in asked), default=POSSIBLE_BOUND_S
        )

    def _doubtful(self, sighting: Sighting) -> Ambiguous:
        first = sighting.possible[0].server_id if sighting.possible else None
        message = (
            f"{sighting.suspects()} may be ours: it shows no ports by which it could be "
            "recognised. It may be billing, so nothing was bought beside it. Look under My Orders on "
            "https://clore.ai; end it there if it is yours, then run `pulumi up` again"
        )
        return Ambiguous(message, lease_id=self.lease.lease_id, server_id=first or 0)

    def buy(self) -> Order | None:
        """Buy the best offer; None when it was refused or the listing changed: look again."""
        purchase = Purchase(self.market, self.lease, self.request, self._demoted())
        # In one go: what another lease buys between the choice and the order would have to be
        # chosen, and listed, again.
        with self.market.client.pacer.exclusive(self.market.fence.check):
            offer = purchase.choose(self.wallets, self.avoid)
            answer = purchase.post(offer)
        if isinstance(answer, Sighting):
            return None
        server_id = offer.server.id
        if answer.outcome == "refused":
            self._refused(server_id, answer.reason, answer.exclude_s, stop=answer.then == "stop")
            return None
        self.market.say(
            f"order {'accepted' if answer.outcome == 'done' else 'perhaps accepted'} on server "
            f"{server_id} for {units.usd(offer.usd_per_day)}/day; waiting until it is listed"
        )
        order = purchase.resolve(offer, answer)
        if order is None:
            self._refused(server_id, "another order of this account has it", 600, stop=False)
        return order

    def _demoted(self) -> frozenset[int]:
        """On a machine without memory: servers on which our orders were short-lived."""
        if self.demoted is None:
            self.demoted = ShortLived(self.market, self.request.image).servers()
        return self.demoted

    def _refused(self, server_id: int, reason: str, for_s: float, *, stop: bool) -> None:
        self.avoid.add(server_id)
        self.refusals += 1
        if for_s:
            self.market.exclusions.add(server_id, reason, for_s)
        text = f'the marketplace refused an order on server {server_id}: "{reason}"'
        if stop or self.refusals >= MOST_REFUSALS:
            message = (
                f"{text}. Nothing was bought, after {self.refusals} refusal(s). "
                "Run `clore-inference doctor`, then `pulumi up` again"
            )
            raise Refused(message, reason=reason, server_id=server_id)
        self.market.say(f"{text}; trying the next offer")

    def turn_down(self, order: Order, rejected: HostRejected) -> None:
        """Release a rejected host, verified, exclude its server, and go on while allowed."""
        server_id = order.server_id or 0
        self.market.exclusions.add(server_id, rejected.reason, REJECTED_FOR_S, rejected=True)
        self.avoid.add(server_id)
        why = str(rejected).rstrip(".")
        self.market.say(f"turning down server {server_id}: {why}; ending order {order.id}")
        end_order(self.market, self.lease, order.id, order.server_id)
        if self.replacements >= self.request.max_replacements:
            message = (
                f"{why}. Order {order.id} on server {server_id} was ended, verified, and "
                f"{self.replacements} of {self.request.max_replacements} replacements are used: "
                "nothing of this lease is billing. Run `pulumi up` again, which takes other servers, "
                "or raise maxReplacements"
            )
            raise HostRejected(message, reason=rejected.reason) from rejected
        self.replacements += 1
