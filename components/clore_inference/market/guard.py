"""The guard's work: note a lease before anything is bought, and leave none of its orders behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clore_inference import units
from clore_inference.errors import Ambiguous, ListingFailed, NotYetGone
from clore_inference.market.fingerprint import fingerprint_of, verify_account
from clore_inference.market.lease import Lease, Sighting, held_lock, look, poll_s
from clore_inference.market.marketplace import Marketplace
from clore_inference.market.memory import SETTLE_S
from clore_inference.market.release import Ending, prove_all

SWEEP_BOUND_S: Final = 420.0
"""A settle window after every late order, and a margin; then the command fails loudly."""
CLEAN_LISTINGS: Final = 2
"""One listing alone can be wrong by accident."""
POLL_WHILE_IN_DOUBT_S: Final = 15.0


def open_lease(market: Marketplace, lease_id: str) -> tuple[str, ...]:
    """Note that a lease was drawn just now; return the account's fingerprint.

    Asks GET /wallets, posts nothing. Without this note everything is as safe, but the first
    purchase waits for a settle window, because another machine might have posted before.
    """
    wallets = market.client.wallets()
    account = fingerprint_of(wallets.rows)
    market.memory(lease_id).open(wallets.server_time)
    return account


def sweep_lease(
    market: Marketplace,
    *,
    project: str,
    lease_id: str,
    account: Sequence[str],
    image: str | None = None,
) -> list[int]:
    """Cancel every order with the lease's full mark, verified; return their ids.

    Ends only after listings that stayed clean for the settle window. Without `image`, a young order
    that shows no ports yet may be ours whatever it runs. Raises NotYetGone on any doubt.
    """
    lease = Lease.of(project, lease_id, account, image)
    try:
        with held_lock(market, lease):
            return _sweep(market, lease)
    except (ListingFailed, Ambiguous) as error:
        message = (
            f"whether lease {lease_id} still has an order is unknown: {error}. Run `pulumi destroy` "
            "again"
        )
        raise NotYetGone(message) from error


def _sweep(market: Marketplace, lease: Lease) -> list[int]:
    begun = market.clock.now()
    quiet_until = lease.memory(market).quiet_until()
    cancelled: list[int] = []
    clean = 0
    rounds = 0
    with market.client.pacer.exclusive(market.fence.check):
        verify_account(market, lease.account)
        sighting, endings = _cancel_all(market, lease)
    while True:
        if endings:
            cancelled += _proven(market, endings)
            quiet_until = market.clock.now() + SETTLE_S
        clean = clean + 1 if sighting.clean else 0
        if clean >= CLEAN_LISTINGS and sighting.at >= quiet_until:
            return cancelled
        now = market.clock.now()
        if now - begun > SWEEP_BOUND_S + SETTLE_S * len(cancelled):
            raise _doubtful(lease, sighting)
        _pause(market, clean, rounds, quiet_until - now)
        rounds += 1
        sighting, endings = _cancel_all(market, lease)


def _cancel_all(market: Marketplace, lease: Lease) -> tuple[Sighting, list[Ending]]:
    """Look, and send a cancel for each order of the lease before anything else is asked."""
    sighting = look(market, lease)
    endings = [Ending.of_lease(market, lease, one.id, one.server_id) for one in sighting.ours]
    for ending, order in zip(endings, sighting.ours, strict=True):
        ending.cancel(order)
    return sighting, endings


def _proven(market: Marketplace, endings: Sequence[Ending]) -> list[int]:
    failed = prove_all(market, endings)
    if failed:
        raise next(iter(failed.values()))
    return [ending.order_id for ending in endings]


def _pause(market: Marketplace, clean: int, rounds: int, left_s: float) -> None:
    if clean and left_s <= 0:
        return
    market.clock.sleep(poll_s(rounds, left_s if left_s > 0 else POLL_WHILE_IN_DOUBT_S))


def _doubtful(lease: Lease, sighting: Sighting) -> NotYetGone:
    return NotYetGone(
        f"lease {lease.lease_id} may still have {sighting.suspects()}; watched for "
        f"{units.duration(SWEEP_BOUND_S)}. It shows no ports by which it could be recognised, so it "
        "was not cancelled, and it may be billing. Look under My Orders on https://clore.ai, end it "
        "there if it is yours, then run `pulumi destroy` again. Once it shows its ports, "
        f"`clore-inference sweep --lease {lease.lease_id} --cancel` ends it without any state"
    )
