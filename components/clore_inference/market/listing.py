"""A whole, readable answer, and how the processes of one key share one.

Whoever waits for a turn to ask takes what another process asked for after the wait had begun: it is
as new as an answer of one's own. One that came right after a failure is never passed on, since the
marketplace was seen to answer too little then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from clore_inference.clock import Clock
from clore_inference.market.wire import Malformed

T = TypeVar("T")


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A whole, readable answer; `at` is our clock before it was asked."""

    rows: T
    at: float
    server_time: float | None


class Notes(Protocol):
    """Where a listing lies for others."""

    def read(self, name: str) -> Mapping[str, Any] | None:
        """Return a note; None where there is none."""

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Replace a note."""


class OwnNotes:
    """Notes of one process: what no file needs to know, as where a wallet's deposits go."""

    def __init__(self) -> None:
        self._notes: dict[str, Mapping[str, Any]] = {}

    def read(self, name: str) -> Mapping[str, Any] | None:
        return self._notes.get(name)

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        self._notes[name] = value


@dataclass(frozen=True)
class Shared(Generic[T]):
    """The last listing of one kind, for all processes with this key; used under the pacer's lock."""

    store: Notes
    clock: Clock
    name: str
    read: Callable[[Mapping[str, Any]], T]

    def since(self, moment: float) -> Listing[T] | None:
        """Return the last listing if it was asked for at or after `moment`."""
        note = self.store.read(self.name) or {}
        at, body, server_time = note.get("at"), note.get("body"), note.get("server_time")
        if not isinstance(at, int | float) or not moment <= at <= self.clock.now():
            return None
        try:
            rows = self.read(body) if isinstance(body, dict) else None
        except Malformed:
            return None
        if rows is None:
            return None
        return Listing(rows, at, server_time if isinstance(server_time, int | float) else None)

    def publish(self, listing: Listing[T], body: Mapping[str, Any]) -> None:
        """Pass a listing on, unless it is the first one after a failure."""
        after_failure = bool((self.store.read(self.name) or {}).get("failed"))
        note = {"at": listing.at, "body": body, "server_time": listing.server_time}
        self.store.write(self.name, {} if after_failure else note)

    def distrust(self) -> None:
        """Note that an answer of this kind failed: the next one is not passed on."""
        self.store.write(self.name, {"failed": True})
