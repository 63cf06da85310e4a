"""What this machine remembers of leases and servers; it makes things faster, and never less safe.

The last POST of a lease is on disk before it is sent. Whoever finds no memory waits as if a POST
had been sent just now. A process is known by a random id, never by a time or a pid.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from clore_inference.clock import Clock
from clore_inference.market.store import Store
from clore_inference.market.text import plain
from clore_inference.units import duration

SETTLE_S: Final = 60.0
"""Marketplace seconds in which an order may still turn up: four times the lag that clients of the
API saw, which poll for at most about a minute."""
UNSEEN_S: Final = 180.0
"""The same after an accepted order that no listing has shown yet: it exists."""

PostOutcome = Literal["none", "sending", "unsent", "done", "refused", "ambiguous"]


class PostRecord(BaseModel):
    """The last POST of a lease; `at` is this machine's clock, `server_time` the marketplace's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    outcome: PostOutcome
    at: float
    process: str
    server_id: int | None = None
    server_time: float | None = None
    image: str | None = None
    order_id: int | None = None
    """Known once a listing showed it."""
    ends_at: float | None = None
    ended: bool = False
    """Whether there was positive evidence of its end."""

    def quiet_until(self, now: float, process: str) -> float:
        """Until when a listing without our order proves nothing."""
        if self.outcome in ("refused", "unsent"):
            return min(self.at, now)
        if self.outcome == "none":
            # Only the process that drew the lease knows that nobody posted for it since.
            return min(self.at, now) if self.process == process else now + SETTLE_S
        if self.at > now:
            return now + SETTLE_S
        unseen = self.outcome == "done" and self.order_id is None
        return self.at + (UNSEEN_S if unseen else SETTLE_S)


class LeaseMemory:
    """What is known of one lease; written only under the lease's lock."""

    def __init__(self, store: Store, lease_id: str, clock: Clock, process: str) -> None:
        self._store = store
        self._name = f"lease-{lease_id}"
        self._clock = clock
        self._process = process

    def _document(self) -> dict[str, Any]:
        return self._store.read(self._name) or {}

    def last_post(self) -> PostRecord | None:
        """The last POST; None where this machine knows nothing."""
        try:
            return PostRecord.model_validate(self._document().get("post"))
        except ValidationError:
            return None

    def quiet_until(self) -> float:
        """Until when a listing without our order proves nothing."""
        now = self._clock.now()
        post = self.last_post()
        return now + SETTLE_S if post is None else post.quiet_until(now, self._process)

    def open(self, since: float | None) -> None:
        """Note that the lease was drawn now, by this process."""
        self._store.write(
            self._name, {"since": since, "post": self._new("none").model_dump()}, durable=True
        )

    def settled(self) -> None:
        """Note that the account was watched until nothing of this lease could turn up any more."""
        now = self._clock.now()
        post = self.last_post() or self._new("none")
        if post.quiet_until(now, self._process) <= now and self.last_post() is not None:
            return
        update = {"outcome": "none", "at": now, "process": self._process}
        self._write(post.model_copy(update=update))

    def _new(self, outcome: PostOutcome) -> PostRecord:
        return PostRecord(outcome=outcome, at=self._clock.now(), process=self._process)

    @property
    def since(self) -> float | None:
        """When the lease was drawn, by the marketplace's clock."""
        since = self._document().get("since")
        return float(since) if isinstance(since, int | float) else None

    def sending(self, server_id: int, image: str, server_time: float | None) -> None:
        """Note a POST before it is sent."""
        self._write(
            self._new("sending").model_copy(
                update={"server_id": server_id, "image": image, "server_time": server_time}
            )
        )

    def answered(self, outcome: PostOutcome) -> None:
        """Note what became of the last POST."""
        post = self.last_post()
        if post is not None:
            self._write(post.model_copy(update={"outcome": outcome, "at": self._clock.now()}))

    def found(self, order_id: int, server_id: int | None, ends_at: float | None) -> None:
        """Note the id of the lease's order."""
        post = self.last_post() or self._new("ambiguous")
        if (post.order_id, post.ended) == (order_id, False):
            return
        update = {"order_id": order_id, "server_id": server_id, "ends_at": ends_at, "ended": False}
        self._write(post.model_copy(update=update))

    def ended(self, order_id: int) -> None:
        """Note that an order's end was proven."""
        post = self.last_post()
        if post is not None and post.order_id == order_id:
            self._write(post.model_copy(update={"ended": True}))

    def unproven(self) -> PostRecord | None:
        """The lease's last known order, unless its end was proven."""
        post = self.last_post()
        if post is None or post.order_id is None or post.ended:
            return None
        return post

    def _write(self, post: PostRecord) -> None:
        self._store.write(self._name, {**self._document(), "post": post.model_dump()}, durable=True)

    def releasing(self, order_id: int) -> None:
        """Note, before its cancel, that an order is on its way out: it is never adopted again."""
        released = sorted({*self.released(), order_id})
        self._store.write(self._name, {**self._document(), "released": released}, durable=True)

    def released(self) -> frozenset[int]:
        """The orders that this machine has begun to release."""
        ids = self._document().get("released")
        return (
            frozenset(one for one in ids if isinstance(one, int))
            if isinstance(ids, list)
            else frozenset()
        )


class Exclusions:
    """Servers that were turned down, with reason and expiry; shared by all leases of the account."""

    NAME: Final = "excluded"

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def add(self, server_id: int, reason: str, for_s: float, *, rejected: bool = False) -> None:
        """Turn a server down; `rejected` says that a rented host was not what was paid for."""
        with self._store.lock(self.NAME, _keep_waiting):
            rows = self._rows()
            until = self._clock.now() + for_s
            rows[str(server_id)] = {"reason": plain(reason), "until": until, "rejected": rejected}
            self._store.write(self.NAME, rows)

    def current(self, *, rejected_only: bool = False) -> dict[int, str]:
        """The servers not to ask, with the reason."""
        return {
            int(server_id): str(row["reason"])
            for server_id, row in self._rows().items()
            if row["rejected"] or not rejected_only
        }

    def told(self) -> dict[int, str]:
        """The same for people: the reason, and when the server is asked again."""
        now = self._clock.now()
        return {
            int(server_id): f"{row['reason']}; asked again in {duration(row['until'] - now)}"
            for server_id, row in self._rows().items()
        }

    def _rows(self) -> dict[str, Any]:
        now = self._clock.now()
        return {
            key: row
            for key, row in (self._store.read(self.NAME) or {}).items()
            if key.isdigit() and _is_exclusion(row) and now < row["until"]
        }


def _is_exclusion(row: object) -> bool:
    return isinstance(row, Mapping) and {"reason", "until", "rejected"} <= row.keys()


def _keep_waiting() -> None:
    """Short writes are waited for."""


class Claim(BaseModel):
    """A POST to a server, by a lease of this machine."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lease_id: str
    at: float
    server_time: float | None = None
    done: bool = False


class Claims:
    """Who of this machine posted to which server last; written under the pacer's lock."""

    NAME: Final = "claims"
    SKEW_S: Final = 5.0
    WINDOW_S: Final = 30.0
    """An order is made while its POST is answered; the marketplace's clock counts whole seconds."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def _rows(self) -> dict[int, Claim]:
        rows: dict[int, Claim] = {}
        for key, row in (self._store.read(self.NAME) or {}).items():
            try:
                rows[int(key)] = Claim.model_validate(row)
            except ValueError:
                continue
        return rows

    def note(self, server_id: int, claim: Claim | None) -> None:
        """Set or drop the claim on a server."""
        now = self._clock.now()
        rows = {key: one for key, one in self._rows().items() if 0 <= now - one.at < 3600}
        rows.pop(server_id, None)
        if claim is not None:
            rows[server_id] = claim
        self._store.write(self.NAME, {str(key): one.model_dump() for key, one in rows.items()})

    def recent(self) -> dict[int, Claim]:
        """The claims within the settle window."""
        now = self._clock.now()
        return {key: one for key, one in self._rows().items() if 0 <= now - one.at < SETTLE_S}

    def by_another(self, lease_id: str, server_id: int | None, created_at: float | None) -> bool:
        """Whether an order was certainly made by another lease of this machine."""
        claim = self._rows().get(server_id or -1)
        if claim is None or not claim.done or claim.lease_id == lease_id:
            return False
        if claim.server_time is None or created_at is None:
            return False
        return -self.SKEW_S <= created_at - claim.server_time <= self.WINDOW_S
