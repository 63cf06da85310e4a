"""The rate limits of the API, per key, in virtual time.

Sources: docs.clore.ai (1 request a second, 1 `create_order` in 5 s); users report that the first
counts over all endpoints, and that a create right after another call is refused too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

REQUEST_INTERVAL_S: Final = 1.0
CREATE_INTERVAL_S: Final = 5.0


@dataclass
class Pacing:
    """When each key was last served; a refused request does not prolong the wait.

    Kept in memory only: after a restart every key starts afresh.
    """

    _requests: dict[str, float] = field(default_factory=dict)
    _creates: dict[str, float] = field(default_factory=dict)

    def admit(self, key: str, endpoint: str, now: float) -> bool:
        """Whether the key may make this request now; an admitted one starts the next wait."""
        if now < self._requests.get(key, float("-inf")) + REQUEST_INTERVAL_S:
            return False
        if endpoint == "create_order":
            if now < self._creates.get(key, float("-inf")) + CREATE_INTERVAL_S:
                return False
            self._creates[key] = now
        self._requests[key] = now
        return True
