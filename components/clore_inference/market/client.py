"""The endpoints of Clore that a renter uses; one method each, no decision inside.

Listings are asked again for up to a minute and then fail. A POST is sent once, ever.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from clore_inference.clock import Clock
from clore_inference.errors import ListingFailed
from clore_inference.market.answers import Answer, Read, of_get, of_post
from clore_inference.market.bidding import Bidding, bidding_of
from clore_inference.market.listing import Listing, OwnNotes, Shared
from clore_inference.market.pacing import Kind, Pacer
from clore_inference.market.store import Store
from clore_inference.market.transport import Call, Raw, Transport, Unsent
from clore_inference.market.wire import (
    Malformed,
    Order,
    ServerList,
    Wallet,
    orders_of,
    servers_of,
    wallets_of,
)

PATIENCE_S: Final = 60.0
"""How long a listing is asked again, marketplace seconds."""
CACHE_S: Final = 5.0
"""How old a listing may be that a diff uses again."""
FIRST_BACKOFF_S: Final = 2.0
LONGEST_BACKOFF_S: Final = 15.0
ACTIVE: Final = "listing-active"
COMPLETED: Final = "listing-completed"
WALLETS: Final = "listing-wallets"

T = TypeVar("T")


class _NotYet(Exception):
    pass


class Client:
    """The marketplace, paced; `waiting` is called in waits for a turn and may raise."""

    def __init__(
        self,
        transport: Transport,
        pacer: Pacer,
        store: Store,
        clock: Clock,
        *,
        waiting: Callable[[], None],
        rng: random.Random,
    ) -> None:
        self._transport = transport
        self.pacer = pacer
        self._store = store
        self._clock = clock
        self._waiting = waiting
        self._rng = rng
        self._own = OwnNotes()

    def marketplace(self) -> Listing[ServerList]:
        """GET /marketplace: every server; needs no key. Asked again on failure; free."""
        return self._patient(Call("GET", "/marketplace", needs_key=False), servers_of)

    def marketplace_soon(self, deadline: float) -> Listing[ServerList]:
        """The same, asked once and until `deadline`, in marketplace seconds."""
        call = Call("GET", "/marketplace", needs_key=False)
        listing, _ = self._once(call, servers_of, deadline)
        return listing

    def wallets(self) -> Listing[tuple[Wallet, ...]]:
        """GET /wallets: balances and deposit addresses; a few seconds old will do.

        Asked again on failure; free.
        """
        call = Call("GET", "/wallets")
        return self._patient(call, wallets_of, share=WALLETS, max_age_s=CACHE_S)

    def orders(
        self, *, completed: bool = False, max_age_s: float = 0
    ) -> Listing[tuple[Order, ...]]:
        """GET /my_orders: active ones, or with `completed` those that have ended too.

        Asked again on failure; free. After a failure the next answer is believed only when
        another one does not show more. Whoever waits for a turn takes an answer that another
        process asked for meanwhile, or up to `max_age_s` before.
        """
        call = _orders_call(completed=completed)
        failures = 0

        def failed() -> None:
            nonlocal failures
            failures += 1

        share = COMPLETED if completed else ACTIVE
        listing = self._patient(call, orders_of, failed, share=share, max_age_s=max_age_s)
        if failures:
            again = self._patient(call, orders_of)
            listing = max(again, listing, key=lambda one: len(one.rows))
        return listing

    def orders_soon(
        self, deadline: float, *, completed: bool = False
    ) -> Listing[tuple[Order, ...]]:
        """The same, asked once at most and until `deadline`; a few seconds old will do."""
        shared = self._shared(COMPLETED if completed else ACTIVE, orders_of)
        recent = shared.since(self._clock.now() - CACHE_S)
        if recent is not None:
            return recent
        call = _orders_call(completed=completed)
        with self.pacer.exclusive(lambda: self._not_after(deadline)):
            # Another process may have asked while this one waited for its turn.
            recent = shared.since(self._clock.now() - CACHE_S)
            if recent is not None:
                return recent
            listing, body = self._once(call, orders_of, deadline)
            shared.publish(listing, body)
            return listing

    def wallets_soon(self, deadline: float) -> Listing[tuple[Wallet, ...]]:
        """GET /wallets, asked once at most and until `deadline`."""
        return self._once(Call("GET", "/wallets"), wallets_of, deadline)[0]

    def bidding_soon(self, server_id: int, currency: str, deadline: float) -> Listing[Bidding]:
        """GET /spot_marketplace: what one server's spot market asks; once, and until `deadline`."""
        call = Call("GET", "/spot_marketplace", query={"market": str(server_id)})
        return self._once(call, lambda body: bidding_of(body, currency), deadline)[0]

    def create_order(self, body: Mapping[str, Any], before: Callable[[], None]) -> Answer:
        """POST /create_order: buys. Sent once; `before` runs right before it and may raise."""
        return self._post(Call("POST", "/create_order", body=body), "create", before)

    def cancel_order(self, order_id: int, before: Callable[[], None]) -> Answer:
        """POST /cancel_order: ends an order; harmless for one that has ended. Sent once."""
        return self._post(Call("POST", "/cancel_order", body={"id": order_id}), "request", before)

    def _post(self, call: Call, kind: Kind, before: Callable[[], None]) -> Answer:
        with self.pacer.turn(kind, self._waiting):
            for name in (ACTIVE, COMPLETED):
                self._store.write(name, {})
            before()
            return of_post(self._transport.send(call))

    def _patient(
        self,
        call: Call,
        read: Callable[[Mapping[str, Any]], T],
        failed: Callable[[], None] = lambda: None,
        share: str = "",
        max_age_s: float = 0,
    ) -> Listing[T]:
        begun = self._clock.now()
        shared = self._shared(share, read) if share else None

        def attempt() -> Listing[T]:
            nonlocal shared
            try:
                return self._attempt(call, read, shared, begun - max_age_s)
            except _NotYet:
                if shared is not None:
                    shared.distrust()
                shared = None
                failed()
                raise

        retrying = Retrying(
            retry=retry_if_exception_type(_NotYet),
            stop=lambda _: self._clock.now() - begun >= PATIENCE_S,
            wait=self._backoff,
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _NotYet as error:
            raise _listing_failed(call, f"{error}, for {PATIENCE_S:.0f} s") from None

    def _attempt(
        self,
        call: Call,
        read: Callable[[Mapping[str, Any]], T],
        shared: Shared[T] | None,
        since: float,
    ) -> Listing[T]:
        with self.pacer.exclusive(self._waiting):
            found = shared.since(since) if shared is not None else None
            if found is not None:
                return found
            with self.pacer.turn("request", self._waiting):
                at = self._clock.now()
                raw = self._transport.send(call)
            answer = of_get(raw)
            if answer.reading == "denied":
                raise _listing_failed(call, answer.reason)
            if answer.reading == "limited":
                self.pacer.hold(self._rng.uniform(FIRST_BACKOFF_S, 2 * FIRST_BACKOFF_S))
            listing = Listing(_rows(answer, read), at, _server_time(raw))
            if shared is not None:
                shared.publish(listing, answer.body or {})
            return listing

    def _shared(self, name: str, read: Callable[[Mapping[str, Any]], T]) -> Shared[T]:
        notes = self._own if name == WALLETS else self._store
        return Shared(notes, self._clock, name, read)

    def _once(
        self, call: Call, read: Callable[[Mapping[str, Any]], T], deadline: float
    ) -> tuple[Listing[T], Mapping[str, Any]]:
        with self.pacer.exclusive(lambda: self._not_after(deadline)):
            if self._clock.now() + self.pacer.wait_s("request") >= deadline:
                raise _listing_failed(call, "the marketplace is busy with other requests of ours")
            with self.pacer.turn("request"):
                at = self._clock.now()
                raw = self._transport.send(call, timeout_s=deadline - at)
        answer = of_get(raw)
        try:
            rows = _rows(answer, read)
        except _NotYet as error:
            raise _listing_failed(call, str(error)) from None
        return Listing(rows, at, _server_time(raw)), answer.body or {}

    def _not_after(self, deadline: float) -> None:
        if self._clock.now() >= deadline:
            message = "the marketplace is busy with other requests of ours"
            raise ListingFailed(message)

    def _backoff(self, state: RetryCallState) -> float:
        longest = min(FIRST_BACKOFF_S * 2 ** (state.attempt_number - 1), LONGEST_BACKOFF_S)
        return self._rng.uniform(longest / 2, longest)


def _orders_call(*, completed: bool) -> Call:
    return Call("GET", "/my_orders", query={"return_completed": str(completed).lower()})


def _rows(answer: Read, read: Callable[[Mapping[str, Any]], T]) -> T:
    if answer.body is None:
        raise _NotYet(answer.reason)
    try:
        return read(answer.body)
    except Malformed as error:
        raise _NotYet(str(error)) from None


def _server_time(raw: Raw | Unsent) -> float | None:
    return raw.server_time if isinstance(raw, Raw) else None


def _listing_failed(call: Call, reason: str) -> ListingFailed:
    return ListingFailed(
        f"{call.method} {call.path} failed: {reason}. What the account holds is unknown, so nothing "
        "was decided, bought or cancelled; orders that run go on billing. Run the command again"
    )
