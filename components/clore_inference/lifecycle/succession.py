"""Whether what comes after a lease has proven itself; until then the lease is not ended.

`pulumi up --continue-on-error` goes on to its deletes after a create has failed: without this, a
successor whose engine does not start would take the endpoint that serves with it. The engine asks
every lease of the program for a diff or a create before it deletes what the program no longer has, so
this process has seen them all by then. A destroy has seen none, and ends everything.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

AWAITED: Final = "true"
"""The input `awaits_proof` of a guard and a lease whose endpoint a HealthCheck proves."""


@dataclass
class Succession:
    """What one provider process has learnt of the leases that its program wants."""

    _stays: set[str] = field(default_factory=set)
    """Ids of leases that the program still has; ending one of them is a replacement."""
    _awaited: dict[str, str] = field(default_factory=dict)
    """Leases that await a proof, and guards that are being made for one, to their order or nothing."""
    _proven: set[str] = field(default_factory=set)
    """Orders whose endpoint was proven, now or before."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stays(self, lease_id: str) -> None:
        """Note a lease that the program still has."""
        with self._lock:
            self._stays.add(lease_id)

    def awaits(self, lease_id: str, order_id: str = "") -> None:
        """Note a lease whose endpoint has to be proven, and its order once there is one."""
        with self._lock:
            self._stays.add(lease_id)
            self._awaited[lease_id] = order_id or self._awaited.get(lease_id, "")

    def settled(self, lease_id: str) -> None:
        """Take back what was awaited under this id."""
        with self._lock:
            self._awaited.pop(lease_id, None)

    def proven(self, order_id: str) -> None:
        """Note a proof, new or standing."""
        with self._lock:
            self._proven.add(order_id)

    def in_the_way(self, lease_id: str) -> str | None:
        """Name what must be proven before a lease may end; None where nothing must."""
        with self._lock:
            if lease_id in self._stays:
                return None
            waiting = [one for one in self._awaited.values() if one not in self._proven]
        if not waiting:
            return None
        known = ", ".join(f"order {one}" for one in waiting if one)
        return known or "its order, which does not run yet"


SUCCESSION: Final = Succession()
"""The one of this process."""
