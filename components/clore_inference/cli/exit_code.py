"""How a command ends, for scripts.

| code | meaning |
|---|---|
| 0 | done, or everything holds |
| 1 | looked, and it does not hold; or the work failed for a definite reason |
| 2 | the command line, the configuration or an input cannot be used; nothing was done |
| 3 | nothing was learnt: endpoint, host, stack or marketplace did not answer |
| 4 | money: an order may be billing that the state does not account for |
| 130 | Ctrl-C |
"""

from __future__ import annotations

from typing import Final

from clore_inference.errors import (
    Ambiguous,
    CloreInferenceError,
    ConfigError,
    HostUnreachable,
    ListingFailed,
    NotYetGone,
    RateLimited,
)

FINE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
SILENT: Final = 3
BILLING: Final = 4
INTERRUPTED: Final = 130

TEXT: Final = (
    "Exit codes: 0 fine; 1 looked, and it does not hold; 2 command line or configuration "
    "unusable; 3 no answer, nothing learnt; 4 an order may be billing unaccounted for."
)


def of(error: CloreInferenceError) -> int:
    """Return the exit code that belongs to an error."""
    if isinstance(error, ConfigError):
        return USAGE
    if isinstance(error, NotYetGone | Ambiguous):
        return BILLING
    if isinstance(error, HostUnreachable | ListingFailed | RateLimited):
        return SILENT
    return FAILED
