"""Everything that the order protocol needs of the world, in one place."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from clore_inference.clock import Clock
from clore_inference.market.client import Client
from clore_inference.market.fence import Fence, FencedClock
from clore_inference.market.memory import Claims, Exclusions, LeaseMemory
from clore_inference.market.offers import Shortlist, shortlist
from clore_inference.market.pacing import Pacer
from clore_inference.market.price import usd_rate
from clore_inference.market.request import OrderRequest
from clore_inference.market.store import FileStore, Store, default_root, directory_name
from clore_inference.market.transport import HttpTransport, Transport
from clore_inference.secret import Secret

PROCESS: Final = uuid4().hex
"""Who this process is, in every marketplace that it opens: a lease that its guard has just drawn here
was posted for by nobody, and its first purchase waits for no settle window."""


@dataclass(frozen=True)
class Marketplace:
    """One account on one marketplace, as one process sees it; threads may share it."""

    client: Client
    clock: FencedClock
    """Its waits end with `Abandoned` when the engine is gone; give it to whatever waits for us."""
    fence: Fence
    store: Store
    say: Callable[[str], None]
    process: str
    """Random; identifies this process in what it leaves on disk."""

    @classmethod
    def open(
        cls,
        *,
        api_url: str,
        key: Secret | None,
        clock: Clock,
        engine_alive: Callable[[], bool],
        say: Callable[[str], None],
        state_root: Path | None = None,
    ) -> Marketplace:
        """Open the marketplace at `api_url`; asks nothing yet. The key may be missing."""
        root = default_root(os.environ) if state_root is None else state_root
        return cls.assemble(
            HttpTransport(api_url, key, clock),
            FileStore(root / directory_name(api_url, key)),
            clock=clock,
            engine_alive=engine_alive,
            say=say,
            process=PROCESS,
            rng=random.Random(),  # noqa: S311 - jitter
        )

    @classmethod
    def assemble(
        cls,
        transport: Transport,
        store: Store,
        *,
        clock: Clock,
        engine_alive: Callable[[], bool],
        say: Callable[[str], None],
        process: str,
        rng: random.Random,
    ) -> Marketplace:
        """Put one together from its parts."""
        fence = Fence(engine_alive)
        fenced = FencedClock(clock, fence)
        pacer = Pacer(store, clock)
        client = Client(transport, pacer, store, fenced, waiting=fence.check, rng=rng)
        return cls(client, fenced, fence, store, say, process)

    def memory(self, lease_id: str) -> LeaseMemory:
        """What this machine remembers of a lease."""
        return LeaseMemory(self.store, lease_id, self.clock, self.process)

    @property
    def exclusions(self) -> Exclusions:
        """Servers that were turned down."""
        return Exclusions(self.store, self.clock)

    @property
    def claims(self) -> Claims:
        """Who of this machine posted where."""
        return Claims(self.store, self.clock)

    def browse(self, request: OrderRequest, *, within_real_s: float | None = None) -> Shortlist:
        """What could be rented now, for a preview; buys nothing and needs no key.

        With `within_real_s` wall-clock seconds it asks once and raises ListingFailed after them.
        """
        if within_real_s is None:
            market = self.client.marketplace().rows
        else:
            deadline = self.clock.now() + within_real_s / self.clock.real(1)
            market = self.client.marketplace_soon(deadline).rows
        rate = usd_rate(market, request.currency)
        return shortlist(market, request, usd_rate=rate, excluded=self.exclusions.told())
